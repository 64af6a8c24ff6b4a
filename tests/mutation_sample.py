# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing, a sample: mutmut changes one small thing at a time, in a copy, and some test of the gate must fail.

``python -m tests.mutation_sample`` with what requirements/mutation.txt names. What no test notices is told as a diff;
everything else stays in .build/mutation, where ``mutmut results`` and ``mutmut show NAME`` work.
mutmut changes bodies of functions without decorators only: no constants of modules, no properties.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import typing as t

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_mutant_name

from tests.harness import tree

_SIZE: t.Final = 200
_SEED: t.Final = 14
# Per cent of the sample that tests must notice: the limit of the tool before mutmut, not yet measured with this one
_LEAST: t.Final = 85.0
_NOTICED: t.Final = ("killed", "timeout", "segfault")
_MEMORY: t.Final = 4 * 2**30  # bytes for each process; a mutant may ask for all there is
_FOLDER: t.Final = tree.BUILD / "mutation"
_COLLECTION: t.Final = tree.collection_in(_FOLDER).relative_to(_FOLDER)
_MODULE_UTILS: t.Final = _COLLECTION / "plugins" / "module_utils"
# Those that run modules in their own process; pyproject.toml of the copy says which of them belong to the gate.
_INTEGRATION: t.Final = (
    "cloud_download cloud_download_content_info cloud_download_copy cloud_download_info cloud_download_retention"
    " content_module hostile_answers lost_answers protected_entity_info session waiting"
)
_TESTS: t.Final = (
    "unit/plugins/module_utils",
    *(f"integration/test_{name}.py" for name in _INTEGRATION.split()),
)
_PRELOADED: t.Final = ("pytest", "hypothesis", "requests", "schemathesis.pytest.plugin", "ansible.module_utils.basic")
_SETTINGS: t.Final = {
    "source_paths": [str(_MODULE_UTILS)],
    "also_copy": [_COLLECTION.parts[0]],
    "only_mutate": [
        str(_MODULE_UTILS / files) for files in ("_api/*.py", "_transfer/*.py", "_transfer/*/*.py", "_plan.py")
    ],
    "do_not_mutate_patterns": [r'"[A-Za-z{][^"]*? \w'],  # lines with a text for people
    "pytest_add_cli_args_test_selection": [str(_COLLECTION / "tests" / path) for path in _TESTS],
    "pytest_add_cli_args": [
        # A test that hangs fails. The slowest one takes 20 seconds on a busy machine.
        *("-o", "faulthandler_timeout=180", "-o", "faulthandler_exit_on_timeout=true"),
        # It measures the memory of a module, which all its mutants enlarge.
        *("--ignore", str(_COLLECTION / "tests/unit/plugins/module_utils/_transfer/test_memory.py")),
    ],
    # Tests are collected once in each process: a second time pytest would give some of them other names.
    "process_isolation": "forkserver",
    "forkserver_warmup": "import",
    "preload_modules_file": "preload.txt",
    "timeout_constant": 60.0,
    "timeout_multiplier": 5.0,
    "track_dependencies": False,
}


def main() -> int:
    """The exit status: 1 when tests notice too little."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    tree.copy_to(_FOLDER)
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in _SETTINGS.items())
    (_FOLDER / "pyproject.toml").write_text("[tool.mutmut]\n" + "".join(lines), encoding="utf-8")
    (_FOLDER / "preload.txt").write_text("\n".join(_PRELOADED), encoding="utf-8")
    os.chdir(_FOLDER)  # where mutmut looks for its settings
    sample = _sample()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # the same order of tests each time
    subprocess.run([pathlib.Path(sys.executable).with_name("mutmut"), "run", *sample], check=True, env=environment)
    verdicts = {path: _verdicts(path, sample) for path in walk_mutatable_files()}
    for path, its in verdicts.items():
        for name in (name for name, status in its.items() if status not in _NOTICED):
            print(f"{name}: {its[name]}\n{get_diff_for_mutant(name, path=path)}")
    print(_table(verdicts))
    return int(_score(status for its in verdicts.values() for status in its.values()) < _LEAST)


def _sample() -> list[str]:
    """Each mutant has a lot of its own, so a change of the code replaces the mutants of what changed and no others."""
    names = [
        get_mutant_name(path, name)
        for path in walk_mutatable_files()
        for name in mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    ]
    return sorted(names, key=lambda name: random.Random(f"{_SEED} {name}").random())[:_SIZE]


def _verdicts(path: pathlib.Path, sample: t.Collection[str]) -> dict[str, str]:
    data = SourceFileMutationData(path=path)
    data.load()
    codes = {name: code for name, code in data.exit_code_by_key.items() if name in sample}
    # 255: pytest did not run, which mutmut would call a timeout
    return {name: "no verdict" if code == 255 else status_by_exit_code[code] for name, code in codes.items()}


def _table(verdicts: t.Mapping[pathlib.Path, t.Mapping[str, str]]) -> str:
    rows = {str(path.relative_to(_MODULE_UTILS)): list(its.values()) for path, its in sorted(verdicts.items()) if its}
    rows["together"] = [status for its in rows.values() for status in its]
    return "\n".join(
        f"{name:<32}{len(its):>5} mutants{_score(its):>7.1f} %  "
        + ", ".join(f"{count} {status}" for status, count in sorted(collections.Counter(its).items()))
        for name, its in rows.items()
    )


def _score(statuses: t.Iterable[str]) -> float:
    noticed = [status in _NOTICED for status in statuses]
    return 100 * sum(noticed) / len(noticed)


if __name__ == "__main__":
    sys.exit(main())
