# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mistake that can be made with an option is planted in a copy of the repository: lint has one sentence for it."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest

from tests.harness import tree
from tests.lint import words
from tests.lint.workflows import named_sessions

MODULE = "plugins/modules/session.py"
SPECS = "roles/fetch_content/meta/argument_specs.yml"
DEFAULTS = "roles/fetch_content/defaults/main.yml"
WORKFLOW = ".github/workflows/test.yml"
TEMPLATES = "extensions/awx/job_templates.yml"
AGAIN = "run `nox -s lint` again."
NEW_OPTION = ("  state:\n", "  colour:\n    description: The colour.\n    type: str\n  state:\n")
# Into the entry point remove, at its end
_END = "      fetch_content_connection: *connection\n"
NEW_ROLE_OPTION = (
    f"{_END}\n  verify:",
    f"{_END}      fetch_content_colour: {{description: The colour., type: str}}\n\n  verify:",
)


class Copy:
    """A copy of the repository, with a git repository of its own."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")

    def plant(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def lint(self, sessions: t.Iterable[str] = named_sessions()) -> tuple[str, list[str]]:
        """The commits that were compared with, and the sentences."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHON"))}
        command = [sys.executable, "-B", "-m", "tests.lint", *sorted(sessions)]
        ended = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert not ended.stderr, ended.stderr
        compared, *sentences = ended.stdout.splitlines()
        good = sentences == ["Nothing that follows from an option is missing."]
        assert ended.returncode == (0 if good else 1)
        return compared, [] if good else sentences


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> Copy:
    made = Copy(tree.copy_to(tmp_path))
    for name, value in (("user.name", "T"), ("user.email", "t@example.com"), ("commit.gpgsign", "false")):
        made.git("config", name, value)
    made.commit()
    made.git("branch", "--move", "main")
    return made


def matching(sentences: list[str], *expected: str) -> None:
    """Each sentence matches the pattern in its place, and there are no others."""
    assert len(sentences) == len(expected), "\n".join(sentences)
    for sentence, pattern in zip(sentences, expected, strict=True):
        assert re.search(pattern, sentence), f"{sentence}\nis not {pattern}"
        assert "\n" not in sentence


PLANTED: t.Final[dict[str, tuple[list[tuple[str, str, str]], list[str]]]] = {
    "a module takes it, and does not document it": (
        [(MODULE, '{"state": {', '{"colour": {"type": "str"}, "state": {')],
        [rf"^{MODULE}: the option colour is taken and not documented: .*{AGAIN}$"],
    ),
    "a module documents it, and does not take it": (
        [(MODULE, *NEW_OPTION)],
        [rf"^{MODULE}: the option colour is documented and not taken: .*{AGAIN}$"],
    ),
    "a doc fragment documents it": (
        [("plugins/doc_fragments/wait.py", "  wait:\n", "  colour:\n    description: The colour.\n  wait:\n")],
        ["^plugins/modules/cloud_download.py: the option colour is documented and not taken"],
    ),
    "a filter takes it": (
        [("plugins/filter/distribute.py", "hosts: t.Sequence[str])", "hosts: t.Sequence[str], colour: str)")],
        ["^plugins/filter/distribute.py: the option colour is taken and not documented"],
    ),
    "the event source takes it": (
        [("extensions/eda/plugins/event_source/cloud_downloads.py", '("interval", ', '("colour", "interval", ')],
        ["cloud_downloads.py: the option colour is taken and not documented"],
    ),
    "no task of the role uses it": (
        [(SPECS, *NEW_ROLE_OPTION)],
        [rf"^{SPECS}: no task of the entry point remove uses the option fetch_content_colour: hand it on .*{AGAIN}$"],
    ),
    "the role uses it in another entry point only": (
        [(SPECS, NEW_ROLE_OPTION[0], NEW_ROLE_OPTION[0].replace("\n\n", "\n      fetch_content_via: *via\n\n"))],
        [rf"^{SPECS}: no task of the entry point remove uses the option fetch_content_via"],
    ),
    "the role does not describe it": (
        [(SPECS, "        description: Name of the user who owns the files.\n", "")],
        [rf"^{SPECS}: the option fetch_content_owner has no description", rf"^{TEMPLATES}: ", "workflow.yml: "],
    ),
    "the role has another default than its documentation": (
        [(DEFAULTS, "fetch_content_throttle: 0\n", "")],
        [rf"^{DEFAULTS}: the default of the option fetch_content_throttle is unset, and 0 in {SPECS}: .*{AGAIN}$"],
    ),
    "only the role's defaults have it": (
        [(DEFAULTS, "fetch_content_throttle: 0\n", "fetch_content_throttle: 0\nfetch_content_colour: red\n")],
        [rf"^{DEFAULTS}: fetch_content_colour is no option of any entry point: .*{AGAIN}$"],
    ),
    "the role offers what the module refuses": (
        [(SPECS, "choices: [never, different, always]", "choices: [never, different, always, hardly]")],
        [
            rf"^{SPECS}: fetch_content_overwrite has .*hardly.* of storware.backup.cloud_download_copy, .*{AGAIN}$",
            rf"^{SPECS}: fetch_content_overwrite has .*hardly.* of storware.backup.cloud_download_content, .*{AGAIN}$",
            rf"^{TEMPLATES}: line \d+ .*hardly",
            "workflow.yml: .*hardly",
        ],
    ),
    "a task of the role fails without a code": (
        [
            (
                "roles/fetch_content/tasks/prepare.yml",
                "storware.backup.fail_with_code:",
                "ansible.builtin.fail:",
            )
        ],
        [rf"^roles/.*/prepare.yml: the task 'Stop here when nothing .*' fails without error.code: use .*{AGAIN}$"],
    ),
    "a task of a playbook fails without a code": (
        [("playbooks/plays/check_hosts.yml", "storware.backup.fail_with_code:", "assert:")],
        [rf"^playbooks/plays/check_hosts.yml: the task '.*' fails without error.code: use .*{AGAIN}$"],
    ),
    "a playbook does not describe a variable": (
        [("playbooks/list_downloads.yml", "list_downloads_mode,", "list_downloads_colour,")],
        [
            rf"^playbooks/list_downloads.yml: the variable list_downloads_mode is used and not described: .*{AGAIN}$",
            rf"^playbooks/list_downloads.yml: the variable list_downloads_colour is described and not used: .*{AGAIN}$",
        ],
    ),
    "a playbook reads a variable and does not hand it on": (
        [
            (
                "playbooks/list_downloads.yml",
                "          size: {type: int}\n",
                "          size: {type: int}\n          colour: {}\n",
            )
        ],
        [
            "^playbooks/list_downloads.yml: the variable list_downloads_colour is used and not described",
            "^playbooks/list_downloads.yml: the variable list_downloads_colour is described and not used",
        ],
    ),
    "a playbook reads a variable as another type than the module": (
        [("playbooks/list_downloads.yml", "size: {type: int}", "size: {type: str}")],
        [rf"^playbooks/list_downloads.yml: list_downloads_size has the type str, .* has int: .*{AGAIN}$"],
    ),
    "the AWX content is stale": (
        [(TEMPLATES, "question_name: Owner", "question_name: User")],
        [rf"^{TEMPLATES}: line \d+ .* which is 'question_name: Owner': run `make awx-content`.$"],
    ),
    "no survey can ask for it": (
        [("tests/awx_content.py", '    "fetch_content_request": "is a dictionary",\n', "")],
        ["fetch_content_request is of the type dict, .*: name it in _NOT_ASKED, .* run `make awx-content`.$"],
    ),
    "the AWX content leaves out an option that is gone": (
        [
            (
                "tests/awx_content.py",
                '    "fetch_content_request"',
                '    "fetch_content_colour": "", "fetch_content_request"',
            )
        ],
        ["_NOT_ASKED names fetch_content_colour, which is no option"],
    ),
    "a code that is raised is not registered": (
        [("plugins/module_utils/_api/errors.py", 'code="redirect"', 'code="moved"')],
        ["^plugins/module_utils/_api/errors.py:[0-9]+: the error code moved is not registered: add it to CODES"],
    ),
    "the documentation of a code is stale": (
        [("plugins/module_utils/_errors.py", "The account lacks a privilege.", "The account is not privileged.")],
        [
            *["^plugins/modules/.*: the return value error does not follow from CODES .*: run `make error-codes`.$"]
            * 6,
            f"^docs/troubleshooting.md: the row of forbidden has to begin with .* privileged.', and {AGAIN}$",
        ],
    ),
    "a connection option is only in the table": (
        [
            (
                "plugins/module_utils/_argspec.py",
                '    Option("timeout"',
                '    Option("region", "STORWARE_REGION"),\n    Option("timeout"',
            )
        ],
        [
            *["^(plugins/modules|extensions/eda/plugins/event_source)/.*: the option region is taken and not doc"] * 7,
            "^plugins/doc_fragments/connection.py: the option region has not the type and the default",
            r"^plugins/doc_fragments/connection.py: .*: write E\(STORWARE_REGION\) into its description",
            f"^{SPECS}: the option region of fetch_content_connection is not what plugins/module_utils/_argspec.py has",
        ],
    ),
    "a page names an environment variable that is gone": (
        [("docs/eda.md", "STORWARE_URL", "STORWARE_ADDRESS")],
        ["^docs/eda.md: STORWARE_ADDRESS is the environment variable of no option"],
    ),
    "a page has a word that is not the field's": (
        [("docs/eda.md", "A poll reads", "A look reads")],
        [rf"^docs/eda.md:\d+: 'A look' is not used here: write poll, and {AGAIN}$"],
    ),
    "an action is pinned by version": (
        [(WORKFLOW, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "actions/checkout@v7")],
        [rf"^{WORKFLOW}: the action actions/checkout@v7 is not pinned: .*git ls-remote --tags .*/actions/checkout`"],
    ),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_mistake_has_one_sentence_that_says_what_to_do(copy: Copy, mistake: str) -> None:
    changes, expected = PLANTED[mistake]
    for change in changes:
        copy.plant(*change)
    copy.commit()  # so that changelog fragments are not the matter
    matching(copy.lint()[1], *expected)


def test_workflows_run_the_sessions_there_are_and_all_of_them(copy: Copy) -> None:
    _compared, sentences = copy.lint({*named_sessions() - {"units"}, "odd"})
    matching(
        sentences,
        "^.github/workflows: units is no session of noxfile.py: ",
        "^.github/workflows: the session odd is in no matrix: ",
    )


# --- Words ---

WORDS: t.Final = {
    "a page": ("docs/a.md", "A page.\n\nThe file\nlies there.\n", ["docs/a.md:4: 'lies'"]),
    "a clause": ("README.md", "- Whoever has a clone builds it.\n", ["README.md:1: 'Whoever'"]),
    "a heading": ("docs/a.md", "# Fine\n\n## Where it runs\n", ["docs/a.md:3: 'Where'"]),
    "a fragment": (
        "changelogs/fragments/a.yml",
        "---\ntrivial:\n  - session - is told\n    at the most once.\n",
        ["changelogs/fragments/a.yml:3: 'told'", "changelogs/fragments/a.yml:4: 'at the most'"],
    ),
    "an option": (
        "plugins/modules/a.py",
        'DOCUMENTATION = r"""\noptions:\n  name:\n    description:\n      - Whose it is.\n    default: told\n"""\n',
        ["plugins/modules/a.py:5: 'Whose'"],
    ),
    "a return value": (
        "plugins/filter/a.py",
        'RETURN = r"""\n_value:\n  description: The bytes that came.\n"""\n',
        ["plugins/filter/a.py:3: 'bytes that came'"],
    ),
    "an example": (
        "plugins/modules/a.py",
        'EXAMPLES = r"""\n# Mend a file\n- name: Bring a file\n  a.b.c:\n    path: /told it\n"""\n',
        ["plugins/modules/a.py:2: 'Mend'", "plugins/modules/a.py:3: 'Bring'"],
    ),
    "a doc fragment": (
        "plugins/doc_fragments/a.py",
        'class A:\n    DOCUMENTATION = r"""\noptions:\n  a:\n    description: Seconds between two looks.\n"""\n',
        ["plugins/doc_fragments/a.py:5: 'two looks'"],
    ),
    "a message": (
        "plugins/module_utils/_a.py",
        'def a(host):\n    raise ValueError(f"{host} and somebody "\n                     "else fetch it")\n',
        ["plugins/module_utils/_a.py:2: 'somebody'"],
    ),
    "an argument spec": (
        "roles/a/meta/argument_specs.yml",
        "argument_specs:\n  main:\n    options:\n      a: {description: The user who shall own it.}\n",
        ["roles/a/meta/argument_specs.yml:4: 'shall'"],
    ),
    "a task": (
        "roles/a/tasks/main.yml",
        "- name: Report what lies there\n  a.b.c:\n    msg: Nobody has it.\n",
        ["roles/a/tasks/main.yml:1: 'lies'", "roles/a/tasks/main.yml:3: 'Nobody'"],
    ),
    "a comment of a playbook": (
        "playbooks/a.yml",
        "---\n# Where it goes is a_dest.\n- hosts: all\n",
        ["playbooks/a.yml:2: 'Where'"],
    ),
    "too many": ("docs/a.md", "It says what it does.\n", ["docs: 'what' occurs 200.0 times"]),
}


@pytest.mark.parametrize("text", WORDS)
def test_words_that_are_not_the_fields_are_refused(tmp_path: pathlib.Path, text: str) -> None:
    file, content, expected = WORDS[text]
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    matching(words.problems(tmp_path), *(f"^{re.escape(begin)}.*: .*{AGAIN}$" for begin in expected))


def test_words_with_another_meaning_pass(tmp_path: pathlib.Path) -> None:
    """Code, quoted constants, questions, and meanings that have no other term."""
    (tmp_path / "README.md").write_text(
        "Look it up with a lookup; a look-alike of the server can lie about a file. The server looks up names.\n"
        "Data comes from a backup. A recommended amendment, a foretold intelligence, a layout, believable.\n"
        "`nobody` owns it, see [the page](what-lies-where.md). What if it fails? An option of its own kind.\n\n"
        "```yaml\n- name: Bring what lies there\n```\n\n<!-- Who reads this? Nobody. -->\n",
        encoding="utf-8",
    )
    assert not [problem for problem in words.problems(tmp_path) if "'what' occurs" not in problem]


# --- Changelog fragments ---

UNNAMED = rf"^{MODULE}: the option colour is new, and no new fragment in changelogs/fragments names it: .*: printf .*$"


def add_option(copy: Copy) -> None:
    copy.plant(MODULE, *NEW_OPTION)
    copy.plant(MODULE, '{"state": {', '{"colour": {"type": "str"}, "state": {')


def run_command_of(copy: Copy, sentence: str) -> None:
    """Run the command that the sentence ends with."""
    command = sentence[sentence.index("printf ") :]
    subprocess.run(["sh", "-c", command], cwd=copy.root, check=True, capture_output=True)


def test_a_fresh_clone_of_main_passes_and_says_that_nothing_is_compared(copy: Copy, tmp_path: pathlib.Path) -> None:
    add_option(copy)
    copy.commit()
    for depth in ([], ["--depth=1"]):
        clone = tmp_path / f"clone{len(depth)}"
        copy.git("clone", "--quiet", *depth, f"file://{copy.root}", str(clone))
        compared, sentences = Copy(clone).lint()
        assert "compared with nothing: " in compared
        assert sentences == []


@pytest.mark.parametrize("committed", [False, True], ids=["not committed", "not pushed"])
def test_a_new_option_is_named_in_a_new_fragment(copy: Copy, committed: bool) -> None:
    copy.git("checkout", "--quiet", "-b", "work")
    add_option(copy)
    if committed:
        copy.commit()
    compared, sentences = copy.lint()
    assert re.search(r"compared with main \([0-9a-f]{9}\)\.$", compared)
    matching(sentences, UNNAMED)
    # A fragment about something else does not do
    (copy.root / "changelogs" / "fragments" / "other.yml").write_text("---\ntrivial:\n  - session - a fix.\n")
    matching(copy.lint()[1], UNNAMED)
    run_command_of(copy, sentences[0])
    assert copy.lint()[1] == []


def test_the_first_release_fixes_nothing(copy: Copy) -> None:
    (copy.root / "changelogs" / "fragments" / "other.yml").write_text("---\nbugfixes:\n  - session - a fix.\n")
    (sentence,) = copy.lint()[1]
    assert sentence.startswith("changelogs/fragments/other.yml: the section `bugfixes` is for what a release has had")
    copy.plant("galaxy.yml", "version: 1.0.0", "version: 1.0.1")
    assert copy.lint()[1] == []


def test_work_that_is_not_pushed_is_compared_with_what_is(copy: Copy, tmp_path: pathlib.Path) -> None:
    copy.git("clone", "--quiet", "--bare", str(copy.root), str(tmp_path / "hub"))
    copy.git("remote", "add", "origin", str(tmp_path / "hub"))
    copy.git("fetch", "--quiet", "origin")
    add_option(copy)
    copy.commit()  # on main itself
    matching(copy.lint()[1], UNNAMED)
    copy.git("push", "--quiet", "origin", "main")
    assert copy.lint()[1] == []


def test_options_are_compared_with_the_last_release_as_well(copy: Copy) -> None:
    copy.git("tag", "1.0.0")
    copy.plant(SPECS, *NEW_ROLE_OPTION)
    copy.plant(
        "roles/fetch_content/tasks/steps/remove_as_ordered.yml",
        "state: absent",
        "state: '{{ _fetch_content_options.colour | lower }}'",
    )
    subprocess.run([sys.executable, "-B", "-m", "tests.awx_content"], cwd=copy.root, check=True)
    copy.commit()
    compared, sentences = copy.lint()
    assert "compared with release 1.0.0 (" in compared
    matching(sentences, rf"^{SPECS}: the option fetch_content_colour is new, and no new fragment")
    run_command_of(copy, sentences[0])
    assert copy.lint()[1] == []


def test_any_other_change_has_a_fragment_too(copy: Copy) -> None:
    copy.plant("plugins/module_utils/_plan.py", '"""', '"""Changed. ')
    _compared, sentences = copy.lint()
    matching(sentences, "^plugins/module_utils/_plan.py: no fragment in .* is new, .* `trivial` .*: printf ")
    run_command_of(copy, sentences[0])
    assert copy.lint()[1] == []
