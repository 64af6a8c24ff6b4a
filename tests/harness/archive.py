# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs into the archive that users install. Standard library only."""

from __future__ import annotations

import pathlib
import tarfile

# Whatever else turns up in the archive must be added here, or to build_ignore in galaxy.yml.
_BELONGS = {
    "CHANGELOG.rst",
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
