# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever takes the collection's name on Galaxy, or an organisation's name elsewhere, gets nobody's controller."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml

from tests.harness import tree

TEXTS: t.Final = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*",
        "galaxy.yml",
        "extensions/**/*.yml",
        ".github/**/*.yml",
        "roles/**/*.md",
    )
    for path in tree.ROOT.glob(pattern)
    if path.is_file()
)


def read(name: str) -> t.Any:
    return yaml.safe_load((tree.ROOT / name).read_text(encoding="utf-8"))


VERSION: t.Final = read("galaxy.yml")["version"]
ARCHIVE: t.Final = f"storware-backup-{VERSION}.tar.gz"


def test_nothing_is_installed_by_the_name_of_the_collection_alone() -> None:
    by_name = re.compile(r"collection install (?!--)(?!.*tar\.gz)|collection install .*storware\.backup\b")
    found = [
        f"{path.name}: {line}"
        for path in TEXTS
        for line in path.read_text("utf-8").splitlines()
        if by_name.search(line)
    ]
    assert found == []


def test_no_address_leads_to_an_organisation_that_anybody_may_found() -> None:
    assert [
        path.name
        for path in TEXTS
        if re.search(r"(?i)github\.com/storware|galaxy\.ansible\.com", path.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("extensions/awx/project/collections/requirements.yml", ["collections"]),
        ("extensions/ee/execution-environment.yml", ["dependencies", "galaxy", "collections"]),
    ],
)
def test_the_source_of_the_collection_is_the_archive_of_this_version(file: str, path: list[str]) -> None:
    wanted = read(file)
    for key in path:
        wanted = wanted[key]
    assert [(found["name"].rpartition("/")[2], found["type"]) for found in wanted] == [(ARCHIVE, "file")]


def test_the_execution_environment_is_made_of_pinned_parts() -> None:
    described = read("extensions/ee/execution-environment.yml")
    assert re.fullmatch(r"[\w./-]+:\d[\w.]*(@sha256:[0-9a-f]{64})?", described["images"]["base_image"]["name"])
    parts = described["dependencies"]
    pinned = [parts["ansible_core"]["package_pip"], parts["ansible_runner"]["package_pip"]]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", part) for part in pinned)


def test_the_readme_installs_what_was_compared_with_its_sha256() -> None:
    readme = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    check, install = readme.index("sha256sum --check"), readme.index("ansible-galaxy collection install")
    assert check < install
    assert set(re.findall(r"storware-backup-[\d.]+tar\.gz", readme)) == {ARCHIVE}
