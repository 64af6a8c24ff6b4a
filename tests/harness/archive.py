# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs into the archive that users install. Standard library only."""

from __future__ import annotations

import gzip
import pathlib
import tarfile

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
