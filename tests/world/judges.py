# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other readers of ZIP archives, whose verdicts ours is compared with: what each unpacks, or None where it refuses."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t
import zipfile

from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError
from ansible_collections.storware.backup.plugins.module_utils._transfer import formats
from ansible_collections.storware.backup.plugins.module_utils._transfer.structure import Proof, no_limit
from tests.world.writers import PASSWORD, seven_zip

Content = dict[str, bytes]


def ours(data: bytes, *, full: bool) -> Proof:
    """Our verdict. Raises StorwareError."""
    found = formats.detect(data[: formats.HEAD])
    if found is None or found.name != "zip":
        raise StorwareError("the content does not start like a ZIP archive", code="corrupt")
    fd = os.memfd_create("archive")
    try:
        os.write(fd, data)
        return found.check(fd, len(data), full, no_limit)
    finally:
        os.close(fd)


def accepts(data: bytes) -> bool:
    """Whether we accept it at the level full."""
    try:
        ours(data, full=True)
    except StorwareError:
        return False
    return True


def has_checkable_contents(data: bytes) -> bool:
    """Whether all entries are stored or deflated, and none is encrypted."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return all(entry.compress_type in (0, 8) and not entry.flag_bits & 1 for entry in archive.infolist())


def attributes(data: bytes) -> list[int]:
    """What makes an entry a directory or a link for some readers."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [entry.external_attr for entry in archive.infolist()]


def by_zipfile(data: bytes) -> Content | None:
    """Unpacked by the standard library."""
    reader: t.Any = zipfile.ZipFile  # as mypy knows it, without metadata_encoding
    try:
        with reader(io.BytesIO(data), metadata_encoding="utf-8") as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    except Exception:  # noqa: BLE001 - a damaged archive may end in any error
        return None


def by_7zip(data: bytes) -> list[bytes] | None:
    """What 7-Zip unpacks, which comes with the requirements of the tests: the contents, sorted."""
    return _by_program(data, lambda path, place: [str(seven_zip()), "x", "-y", f"-p{PASSWORD}", f"-o{place}", path])


def by_unzip(data: bytes) -> list[bytes] | None:
    """What unzip of Info-ZIP unpacks, where it is there: the contents, sorted."""
    return _by_program(data, lambda path, place: ["unzip", "-qq", "-o", "-P", PASSWORD, path, "-d", str(place)])


def _by_program(data: bytes, command: t.Callable[[str, pathlib.Path], list[str]]) -> list[bytes] | None:
    with tempfile.TemporaryDirectory() as folder:
        path, place = pathlib.Path(folder, "a.zip"), pathlib.Path(folder, "files")
        path.write_bytes(data)
        place.mkdir()
        done = subprocess.run(
            command(str(path), place),
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return None
        # Without names, which programs translate in ways of their own
        return sorted(file.read_bytes() for file in place.rglob("*") if file.is_file())


Program = t.Callable[[bytes], "list[bytes] | None"]
PROGRAMS: t.Final[t.Mapping[str, Program]] = {
    "7-Zip": by_7zip,
    **({"unzip": by_unzip} if shutil.which("unzip") else {}),
}
