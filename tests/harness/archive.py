# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that users install: built, complete, reproducible, and imported as Galaxy and hubs do."""

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
# Whatever else turns up in the archive must be added here, or to build_ignore in galaxy.yml.
_BELONGS = {
    ".ansible-lint",
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
}
_FIRST = ("MANIFEST.json", "FILES.json")  # where installers look for them
_MUST_BE_THERE = {
    "LICENSE",
    "README.md",
    "changelogs/changelog.yaml",
    "meta/execution-environment.yml",
    "meta/runtime.yml",
    "playbooks/fetch_content.yml",
    "requirements.txt",
    "roles/fetch_content/meta/argument_specs.yml",
    "tests/config.yml",
}


def build(
    session: nox.Session, ansible_galaxy: pathlib.Path, collection: pathlib.Path, environment: Environment
) -> None:
    """Leave the archive of a copy of the collection in ARCHIVE. Two builds of the same files must be the same bytes."""
    shutil.rmtree(ARCHIVE, ignore_errors=True)
    first, second = (_built(session, ansible_galaxy, collection, environment, ARCHIVE / place) for place in "ab")
    if found := problems(first, collection):
        session.error("galaxy.yml does not fit the files:\n" + "\n".join(found))
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


def problems(archive: pathlib.Path, collection: pathlib.Path) -> list[str]:
    """What is wrong with the archive of a collection's directory, a line each."""
    with tarfile.open(archive) as tar:
        files = {member.name for member in tar if not member.isdir()}
        odd = [member.name for member in tar if not (member.isfile() or member.isdir())]
    plugins = (path for path in (collection / "plugins").rglob("*") if path.is_file())
    needed = _MUST_BE_THERE | {path.relative_to(collection).as_posix() for path in plugins}
    surplus = (name for name in files - needed if name.split("/")[0] not in _BELONGS)
    return [
        *(f"does not belong into the archive: {name}" for name in sorted(surplus)),
        *(f"is missing from the archive: {name}" for name in sorted(needed - files)),
        *(f"is neither file nor directory: {name}" for name in odd),
    ]
