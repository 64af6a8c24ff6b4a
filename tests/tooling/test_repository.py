# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that must agree with files, and that the checks themselves see and say what is wrong."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t
from importlib import metadata

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from ansible_collections.storware.backup.plugins.module_utils._api import names
from tests.harness import tree
from tests.site import build
from tests.support.fault_ids import FAULTS

TESTS = tree.ROOT / "tests"
REQUIREMENTS = TESTS / "requirements"
# They have connection options, which the action group sets.
MODULES = tree.modules_with_connection()
_CORES = sorted(REQUIREMENTS.glob("core-*.txt"))


def read(name: str) -> t.Any:
    return yaml.safe_load((tree.ROOT / name).read_text(encoding="utf-8"))


def test_the_action_group_holds_every_module_with_a_connection() -> None:
    groups = read("meta/runtime.yml")["action_groups"]
    assert groups["storware"] == MODULES
    assert groups["fetch_content"] == [{"metadata": {"extend_group": ["storware"]}}]


def test_the_oldest_tested_ansible_core_is_the_oldest_supported() -> None:
    supported = re.match(r">=(\d+\.\d+)\.\d+,", read("meta/runtime.yml")["requires_ansible"])
    assert supported
    assert f"ansible-core=={supported[1]}." in (REQUIREMENTS / "core-oldest.txt").read_text(encoding="utf-8")


def test_every_supported_ansible_core_has_the_fix_of_cve_2024_11079() -> None:
    """GHSA-99w6-3xph-cx78 names the first release of each line; what the matrix runs is supported."""
    supported = SpecifierSet(read("meta/runtime.yml")["requires_ansible"])
    first = {"2.16": 14, "2.17": 7, "2.18": 1, "2.19": 0}
    for line, fixed in first.items():
        assert [micro for micro in range(40) if f"{line}.{micro}" in supported] == list(range(fixed, 40)), line
    assert "2.15.99" not in supported
    pinned = [re.findall(r"^ansible-core==([\d.]+)$", path.read_text("utf-8"), re.M) for path in _CORES]
    assert all(version in supported for versions in pinned for version in versions)


def test_the_oldest_tested_requests_is_the_oldest_supported() -> None:
    supported = re.search(
        r"^requests>=(\S+)$", (tree.ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert supported
    assert f"requests=={supported[1]}\n" in (REQUIREMENTS / "python39.txt").read_text(encoding="utf-8")


def test_all_tools_are_pinned() -> None:
    for file in REQUIREMENTS.glob("*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"#.*|-[cr] \S+\.txt|[\w.-]+==[\d.]+(b\d+)?(; .+)?", line), f"{file.name}: {line}"


def test_everything_that_tools_bring_along_is_pinned() -> None:
    files = [file.read_text(encoding="utf-8") for file in REQUIREMENTS.glob("*.txt")]
    pinned = {_normal(line.partition(";")[0].strip()) for text in files for line in text.splitlines()}
    here = {_normal(f"{found.metadata['Name']}=={found.version}") for found in metadata.distributions()}
    assert sorted(here - pinned) == []


def _normal(requirement: str) -> str:
    """As package indexes compare names: "ruamel.yaml==1.0" and "Ruamel-YAML==1.0" are one package (PEP 503)."""
    name, _equal, version = requirement.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def test_no_sanity_test_is_ignored() -> None:
    assert list((tree.ROOT / "tests" / "sanity").glob("ignore*")) == []


def test_a_copy_is_this_tree_and_nothing_else(tmp_path: pathlib.Path) -> None:
    tree.copy_to(tmp_path)
    copy = tree.collection_in(tmp_path)
    (copy / "plugins" / "stale.py").touch()
    (copy / "tests" / "stale.py").touch()
    (copy / "tests" / "output").mkdir()
    tree.copy_to(tmp_path)
    files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith(".git/")} == set(map(str, tree.tracked_and_new()))
    assert (copy / "tests" / "output").is_dir()  # where ansible-test keeps what it made


@pytest.mark.fault("S8")
def test_every_fault_has_a_test() -> None:
    """An unknown id is refused when tests are collected (tests/conftest.py)."""
    marks = (re.findall(r"@pytest.mark.fault\(([^)]*)\)", path.read_text()) for path in TESTS.rglob("test_*.py"))
    shown = {name for found in marks for names in found for name in re.findall(r'"(\w+)"', names)}
    assert sorted(FAULTS.keys() - shown) == []


def test_s8_warnings_and_logs_pass_the_redactor() -> None:
    """Ansible does not mask what modules warn of (core 2.19 to 2.21)."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in (tree.ROOT / "plugins").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(
            r"\b(module|_module|self\._module)\.(warn|deprecate|log|debug)\(|\bprint\(|\blogging\b|syslog", line
        )
    ]
    assert found == ["_runner.py: module.warn(redactor.text(message))"]


def test_only_one_file_knows_the_names_of_the_server() -> None:
    """Paths, and keys, parameters and headers that are no words of Python."""
    values = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    values |= {*names.DOWNLOAD_FILTERS.values(), *names.ENTITY_FILTERS.values(), *names.CONTENT_PATHS.values()}
    telling = {value for value in values if not value.isalpha() or not value.islower()}
    assert {"/cloud-download", "mountedFileCount", "finished-mount", "X-Total-Count"} <= telling
    found = [
        f"{path.name}:{node.lineno}: {node.value!r}"
        for path in (tree.ROOT / "plugins").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if path.name != "names.py" and isinstance(node, ast.Constant) and node.value in telling
    ]
    assert found == []


def test_documents_name_only_targets_that_there_are() -> None:
    """And files: what is linked is there."""
    makefile = (tree.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    targets = set(" ".join(re.findall(r"^(?:SESSIONS =|\.PHONY:) (.*)$", makefile, re.M)).split())
    documents = [path for place in (".", "docs", "benchmarks") for path in (tree.ROOT / place).glob("*.md")]
    assert len(documents) > 5
    for path in documents:
        text = path.read_text(encoding="utf-8")
        for words in re.findall(r"(?:`|^ *)make ((?:[a-z-]+ ?)+)", text, re.M):
            assert set(words.split()) <= targets, f"{path.name}: make {words}"
        for link in build.LINK.findall(text):
            made = path.name == "index.md" and link.startswith("reference/")  # with the site, which checks its links
            assert made or (path.parent / link).exists(), f"{path.name}: {link}"


def test_the_page_for_collection_sites_lists_all_guides() -> None:
    """Where Ansible publishes collections, pages are in reStructuredText: it names the files, and copies none."""
    docs = tree.ROOT / "docs"
    guides = {path for path in docs.glob("*.md") if path.name != "index.md"}
    titles = {path: re.findall(r"^# (.+)$", path.read_text(encoding="utf-8"), re.M)[0] for path in guides}
    page = (docs / "docsite" / "rst" / "guides.rst").read_text(encoding="utf-8")
    assert re.findall(r"^\* (.+)$", page, re.M) == [f":file:`{path.name}`: {titles[path]}" for path in sorted(guides)]
