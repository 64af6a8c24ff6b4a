# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ZIP archives of the world: none that is good is refused, and none that unpacks to something else is accepted."""

from __future__ import annotations

import functools
import itertools
import pathlib
import shutil
import struct
import subprocess
import tempfile
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from tests.world import judges
from tests.world.mutants import mutants
from tests.world.writers import CORPORA, INSTALLED, PRESENT, Files, Writer

# Of a writer: it encrypts with what its format asks for
pytestmark = pytest.mark.filterwarnings("ignore:PBKDF2:DeprecationWarning")

_IN_THE_GATE: t.Final = ("two", "names", "empty")
_LEAST_ARCHIVES, _LEAST_WRITERS = 100, 12


def written(writer: Writer, corpora: t.Iterable[str], place: pathlib.Path) -> t.Iterator[tuple[str, Files, bytes]]:
    """What the writer makes: setting and files in words, the files, and the archive."""
    for (setting, write), corpus in itertools.product(writer.settings.items(), corpora):
        files = CORPORA[corpus]
        with tempfile.TemporaryDirectory(dir=place) as folder:
            yield f"{writer.name}, {setting}, {corpus}", files, write(files, pathlib.Path(folder))


def check(writer: Writer, corpora: t.Iterable[str], place: pathlib.Path) -> None:
    """Each archive is good for all readers, and for us at each level."""
    for what, files, data in written(writer, corpora, place):
        is_checkable = judges.has_checkable_contents(data)
        for name, unpack in judges.PROGRAMS.items():
            if is_checkable or name == "7-Zip":  # which unpacks all methods
                unpacked = unpack(data)
                assert unpacked is not None, f"{what}: {name}"
                assert set(unpacked) >= set(files.values()), f"{what}: {name}"
        assert judges.ours(data, full=False)[:2] == ("structure", padding_of(data)), what
        if is_checkable:
            assert holds(judges.by_zipfile(data), files), f"{what}: zipfile"
            assert judges.ours(data, full=True)[:2] == ("full", padding_of(data)), what
        else:
            with pytest.raises(StorwareError) as caught:
                judges.ours(data, full=True)
            assert caught.value.code == "cannot_verify", what


def holds(unpacked: judges.Content | None, files: Files) -> bool:
    """Whether all files are there, below whichever directory."""
    if unpacked is None:
        return False
    return all(any(name.endswith(wanted) and unpacked[name] == files[wanted] for name in unpacked) for wanted in files)


def padding_of(data: bytes) -> int:
    """Zeros behind the end, such as those of bsdtar."""
    place = data.rindex(b"PK\5\6")
    (comment,) = struct.unpack_from("<H", data, place + 20)
    return len(data) - place - 22 - int(comment)


def test_there_are_enough() -> None:
    names = {writer.name for writer in INSTALLED}
    assert len(names) == len(INSTALLED) >= _LEAST_WRITERS
    assert sum(len(writer.settings) for writer in INSTALLED) * len(_IN_THE_GATE) >= _LEAST_ARCHIVES


@pytest.mark.parametrize("writer", INSTALLED, ids=lambda writer: writer.name)
def test_no_good_archive_is_refused(writer: Writer, tmp_path: pathlib.Path) -> None:
    check(writer, _IN_THE_GATE, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("writer", INSTALLED, ids=lambda writer: writer.name)
def test_no_larger_good_archive_is_refused(writer: Writer, tmp_path: pathlib.Path) -> None:
    check(writer, CORPORA.keys() - set(_IN_THE_GATE), tmp_path)


def present(writer: Writer) -> Writer:
    """The writer, unless the machine does not have it."""
    if writer.program is not None and shutil.which(writer.program) is None:
        pytest.skip(f"no {writer.program} on this machine: archives of {writer.name} are not tried")
    return writer


@pytest.mark.parametrize("writer", PRESENT, ids=lambda writer: writer.name)
def test_no_good_archive_of_a_program_of_the_machine_is_refused(writer: Writer, tmp_path: pathlib.Path) -> None:
    check(present(writer), ("two",), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("writer", PRESENT, ids=lambda writer: writer.name)
def test_no_archive_of_any_files_of_a_program_of_the_machine_is_refused(writer: Writer, tmp_path: pathlib.Path) -> None:
    check(present(writer), CORPORA.keys() - {"two"}, tmp_path)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("zip") is None, reason="no zip on this machine: its entry of 4 GiB is not tried")
@pytest.mark.parametrize("size", [2**32 - 2, 2**32 - 1, 2**32])
def test_entries_around_4_gib_of_info_zip(tmp_path: pathlib.Path, size: int) -> None:
    """One byte less than 4 GiB stands in the header as it is, which otherwise means that it is in a ZIP64 field."""
    with (tmp_path / "large.pst").open("wb") as file:
        file.truncate(size)
    subprocess.run(["zip", "-q", "-1", "large.zip", "large.pst"], cwd=tmp_path, check=True)
    data = (tmp_path / "large.zip").read_bytes()
    assert judges.ours(data, full=False).level == "structure"
    assert judges.ours(data, full=True).level == "full"


# --- changed ones ---


@functools.cache
def originals() -> dict[bytes, judges.Content]:
    """Small archives of all writers that are no programs, with what they unpack to."""
    quick = [writer for writer in INSTALLED if writer.name not in ("7zz", "uv-build", "deterministic-zip")]
    with tempfile.TemporaryDirectory() as place:
        made = [data for writer in quick for _what, _files, data in written(writer, _IN_THE_GATE, pathlib.Path(place))]
    known = {data: judges.by_zipfile(data) for data in made if judges.has_checkable_contents(data)}
    return {data: content for data, content in known.items() if content}


def mistakes(seed: int, count: int, programs: t.Mapping[str, judges.Program]) -> list[str]:
    """Mutants that we accept at the level full although they unpack to something else. count: how many of these."""
    found, others = [], 0
    for kind, original, mutant in mutants(list(originals()), seed):
        if mutant in originals():
            continue  # all that differs came from one other archive
        is_other = judges.by_zipfile(mutant) != originals()[original]
        others += is_other
        if judges.accepts(mutant):
            found += [
                f"{kind}: {name}" for name in (["zipfile"] if is_other else differing(programs, original, mutant))
            ]
        if others == count:
            break
    return found


def differing(programs: t.Mapping[str, judges.Program], original: bytes, mutant: bytes) -> list[str]:
    """The programs that unpack other contents; not because of attributes, which have no checksum."""
    if judges.attributes(original) != judges.attributes(mutant):
        return []
    # What a program refuses, such as for a flag without meaning, is no other content.
    return [name for name, unpack in programs.items() if unpack(mutant) not in (None, unpack(original))]


def test_no_changed_content_is_accepted() -> None:
    assert mistakes(18, 2000, {}) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_no_changed_content_is_accepted_by_whichever_reader_it_is_unpacked(seed: int) -> None:
    assert mistakes(seed, 5000, judges.PROGRAMS) == []
