# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that users install: built, reproducible, and imported as Galaxy and hubs do."""

from __future__ import annotations

import gzip
import pathlib
import shutil
import subprocess
import tarfile
import typing as t

if t.TYPE_CHECKING:
    import nox

from tests.harness import tree

ARCHIVE: t.Final = tree.BUILD / "archive"
Environment = t.Mapping[str, str | None]
_FIRST = ("MANIFEST.json", "FILES.json")  # where installers look for them


def build(
    session: nox.Session, ansible_galaxy: pathlib.Path, collection: pathlib.Path, environment: Environment
) -> None:
    """Leave the archive of a copy of the collection in ARCHIVE. Two builds of the same files must be the same bytes."""
    shutil.rmtree(ARCHIVE, ignore_errors=True)
    first, second = (_built(session, ansible_galaxy, collection, environment, ARCHIVE / place) for place in "ab")
    if first.read_bytes() != second.read_bytes():
        session.error("two builds of the same files differ")
    first.replace(ARCHIVE / first.name)
    for path in (first, second):
        shutil.rmtree(path.parent)


def check(session: nox.Session, programs: pathlib.Path, environment: Environment) -> None:
    """Import the archive as Galaxy and hubs do, with the settings for certified collections: no word of complaint."""
    (built,) = ARCHIVE.glob("*.tar.gz")
    settings = {
        **environment,
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
        "ANSIBLE_COLLECTIONS_PATH": None,  # it looks at the archive alone
    }
    command = (programs / "python", "-m", "galaxy_importer.main", built)
    with session.chdir(programs.parent):
        printed = str(session.run(*command, env=settings, silent=True))
    if any(line.startswith(("WARNING", "ERROR")) for line in printed.splitlines()):
        session.error(f"galaxy-importer complains:\n{printed}")


def _built(
    session: nox.Session,
    ansible_galaxy: pathlib.Path,
    collection: pathlib.Path,
    environment: Environment,
    target: pathlib.Path,
) -> pathlib.Path:
    raw = target / "raw"
    with session.chdir(collection):
        session.run(ansible_galaxy, "collection", "build", "--output-path", raw, ".", env=environment)
    (built,) = raw.iterdir()
    settle(built, target / built.name, _commit_time())
    return target / built.name


def _commit_time() -> int:
    """When the files were changed last, as far as git knows, in seconds since 1970; the time of the archive."""
    command = ("git", "log", "-1", "--format=%ct")
    printed = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False).stdout
    return int(printed.strip() or 0)


def settle(built: pathlib.Path, target: pathlib.Path, time: int) -> None:
    """Write the archive anew so that the same files make the same bytes, whenever and wherever it was built.

    time: of all files, seconds since 1970. ansible-galaxy gives them the time of the build.
    """
    with tarfile.open(built) as tar:
        members = sorted(tar.getmembers(), key=lambda member: (member.name not in _FIRST, member.name))
        with (
            target.open("wb") as raw,
            gzip.GzipFile("", "wb", 9, raw, time) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as settled,
        ):
            for member in members:
                member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                settled.addfile(member, tar.extractfile(member) if member.isfile() else None)
