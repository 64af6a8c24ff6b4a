# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that users install holds their files and no others. The session ``archive`` builds it first."""

from __future__ import annotations

import tarfile

import pytest

from tests.harness import tree
from tests.harness.archive import ARCHIVE

# Whatever else turns up in the archive must be added here, or to build_ignore in galaxy.yml.
BELONGS = {
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
MUST_BE_THERE = {
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


@pytest.mark.skipif(not list(ARCHIVE.glob("*.tar.gz")), reason="the archive is not built: make archive")
def test_the_archive_holds_what_users_need_and_nothing_else() -> None:
    """Otherwise: build_ignore in galaxy.yml, or BELONGS."""
    (archive,) = ARCHIVE.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        files = {member.name for member in tar if not member.isdir()}
        odd = [member.name for member in tar if not (member.isfile() or member.isdir())]
    plugins = (name for name in tree.tracked_and_new() if name.parts[0] == "plugins")
    needed = MUST_BE_THERE | {name.as_posix() for name in plugins}
    assert sorted(name for name in files - needed if name.split("/")[0] not in BELONGS) == []
    assert sorted(needed - files) == []
    assert odd == []
