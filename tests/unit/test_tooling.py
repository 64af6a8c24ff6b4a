# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that must agree with files, and that the checks themselves see and say what is wrong."""

from __future__ import annotations

import pathlib
import re
import tarfile
import threading
import typing as t

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.harness import archive, pythons, runner, site, tree
from tests.support.fault_ids import FAULTS

TESTS = tree.ROOT / "tests"
# They have connection options, which the action group sets and action plugins resolve.
MODULES = tree.modules_with_connection()
_CORES = sorted(pythons.REQUIREMENTS.glob("core-*.txt"))


def read(name: str) -> t.Any:
    return yaml.safe_load((tree.ROOT / name).read_text(encoding="utf-8"))


def test_the_action_group_holds_every_module_with_a_connection() -> None:
    groups = read("meta/runtime.yml")["action_groups"]
    assert groups["storware"] == MODULES
    assert groups["fetch_content"] == [{"metadata": {"extend_group": ["storware"]}}]


def test_every_module_with_a_connection_has_its_action_plugin() -> None:
    """And the one to which the controller hands files over."""
    plugins = {path.stem for path in (tree.ROOT / "plugins" / "action").glob("[!_]*.py")}
    assert plugins == {*MODULES, "cloud_download_copy"}


def test_the_oldest_tested_ansible_core_is_the_oldest_supported() -> None:
    supported = re.match(r">=(\d+\.\d+)\.\d+,", read("meta/runtime.yml")["requires_ansible"])
    assert supported
    assert f"ansible-core=={supported[1]}." in (pythons.REQUIREMENTS / "core-oldest.txt").read_text(encoding="utf-8")


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
    assert f"requests=={supported[1]}\n" in (pythons.REQUIREMENTS / "python39.txt").read_text(encoding="utf-8")


def test_all_tools_are_pinned() -> None:
    for file in pythons.REQUIREMENTS.glob("*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"#.*|-[cr] \S+\.txt|[\w.-]+==[\d.]+(; .+)?", line), f"{file.name}: {line}"


def test_no_sanity_test_is_ignored() -> None:
    assert list((tree.ROOT / "tests" / "sanity").glob("ignore*")) == []


def test_the_archive_check_names_what_is_too_much_and_what_is_missing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "plugins" / "modules").mkdir(parents=True)
    (tmp_path / "plugins" / "modules" / "forgotten.py").touch()
    (tmp_path / "Makefile").touch()
    with tarfile.open(tmp_path / "built.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "Makefile", "Makefile")
    found = archive.problems(tmp_path / "built.tar.gz", tmp_path)
    assert "does not belong into the archive: Makefile" in found
    assert "is missing from the archive: plugins/modules/forgotten.py" in found
    assert "is missing from the archive: README.md" in found


@pytest.fixture
def logs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(runner, "_LOGS", tmp_path)
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    return tmp_path


def test_the_summary_counts_and_names_everything(logs: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    def good(_log: runner.Log) -> None:
        pass

    def bad(log: runner.Log) -> None:
        log.run("sh", "-c", "echo what is wrong; exit 3", cwd=logs)

    def impossible(_log: runner.Log) -> None:
        raise runner.StepSkipped("no shell here")

    def broken(_log: runner.Log) -> None:
        raise RuntimeError("a bug of the step")

    def tests(log: runner.Log) -> None:
        report = logs / "junit.xml"
        report.write_text(
            '<testsuites><testsuite tests="9" failures="0" errors="0" skipped="1">'
            '<testcase><skipped message="no ACLs"/></testcase></testsuite></testsuites>'
        )
        log.count(report)

    actions = {"good": good, "bad": bad, "impossible": impossible, "broken": broken, "tests": tests}
    assert runner.run([runner.Step(name, action) for name, action in actions.items()]) == 1
    output = capsys.readouterr().out
    assert "what is wrong\n" in output
    assert output.splitlines()[-2:] == [
        "total: 9 passed, 2 failed, 2 skipped",
        "Passed: good, tests. FAILED: bad, broken. Skipped: impossible (no shell here), tests in tests (no ACLs).",
    ]


def test_without_its_environment_nothing_is_run(logs: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(log: runner.Log) -> None:
        log.run("false", cwd=logs)

    def never(_log: runner.Log) -> None:
        raise AssertionError

    assert runner.run([runner.Step("environment", fails, needed=True), runner.Step("tests", never)]) == 1
    assert "total: 0 passed, 1 failed, 1 skipped\nPassed: nothing. FAILED: environment. Not run: tests." in (
        capsys.readouterr().out
    )


def test_nothing_runs_beside_what_is_needed_first(logs: pathlib.Path) -> None:
    order: list[str] = []
    steps = [
        runner.Step("environment", lambda _log: order.append("environment"), needed=True),
        runner.Step("tests", lambda _log: order.append("tests"), beside=True),
    ]
    assert [[step.name for step in batch] for batch in runner._batches(steps)] == [["environment"], ["tests"]]
    assert runner.run(steps) == 0
    assert order == ["environment", "tests"]


def test_steps_beside_each_other_run_at_the_same_time(logs: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = threading.Barrier(2)

    def meets(_log: runner.Log) -> None:
        both.wait(10)

    def follows(_log: runner.Log) -> None:
        assert both.n_waiting == 0

    steps = [runner.Step("one", meets), runner.Step("other", meets, beside=True), runner.Step("then", follows)]
    assert runner.run(steps) == 0
    *told, _total, _names = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in told[:2]] in (
        [["one", "ok"], ["other", "ok"]],
        [["other", "ok"], ["one", "ok"]],
    )
    assert told[2].split()[:2] == ["then", "ok"]


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


def test_s8_warnings_and_logs_pass_the_scrubber() -> None:
    """Ansible does not mask what modules warn of (core 2.19 to 2.21)."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in (tree.ROOT / "plugins").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(
            r"\b(module|_module|self\._module)\.(warn|deprecate|log|debug)\(|\bprint\(|\blogging\b|syslog", line
        )
    ]
    assert found == ["_module.py: self._module.warn(self._masks.text(message))"]


def test_documents_name_only_targets_that_there_are() -> None:
    """And files: what is linked is there."""
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (tree.ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    targets = set(phony.split())
    documents = [path for place in (".", "docs", "benchmarks") for path in (tree.ROOT / place).glob("*.md")]
    assert len(documents) > 5
    for path in documents:
        text = path.read_text(encoding="utf-8")
        for words in re.findall(r"(?:`|^ *)make ((?:[a-z-]+ ?)+)", text, re.M):
            assert set(words.split()) <= targets, f"{path.name}: make {words}"
        for link in site.LINK.findall(text):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
