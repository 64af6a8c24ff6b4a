# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that users see have a changelog fragment, and new options are named in one. CONTRIBUTING.md has the rule.

The work tree, with what is not committed, is compared with the commit at which its branch left main, and with the last
release. In a fresh clone of main without a release there is neither, which is reported and no problem.
"""

from __future__ import annotations

import io
import pathlib
import re
import subprocess
import tarfile
import tempfile
import typing as t

import yaml

from tests.harness import tree
from tests.support import documentation

_PUBLISHED: t.Final = ("plugins", "roles", "playbooks", "extensions")
_FRAGMENTS: t.Final = "changelogs/fragments"
_RELEASED: t.Final = "changelogs/changelog.yaml"  # has the sentences of the fragments from a release on


class Comparison(t.NamedTuple):
    """What the work tree was compared with, for people, and a sentence for each problem."""

    bases: list[str]
    problems: list[str]


def compare() -> Comparison:
    """Compare the work tree with each commit that there is to compare with."""
    bases = {name: commit for name, commit in _bases().items() if _changed(commit)}
    found = [problem for commit in bases.values() for problem in _problems(commit)]
    found += _fixes_before_the_first_release()
    return Comparison([f"{name} ({commit[:9]})" for name, commit in bases.items()], list(dict.fromkeys(found)))


def _fixes_before_the_first_release() -> list[str]:
    """A first release fixes nothing that anybody has had."""
    releases = yaml.safe_load((tree.ROOT / _RELEASED).read_text(encoding="utf-8"))["releases"]
    version = yaml.safe_load((tree.ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    if list(releases) != [version]:
        return []
    fragments = sorted((tree.ROOT / _FRAGMENTS).glob("*.y*ml"))
    sections = {
        str(path.relative_to(tree.ROOT)): yaml.safe_load(path.read_text(encoding="utf-8")) for path in fragments
    }
    sections[_RELEASED] = releases[version]["changes"]
    return [
        f"{name}: the section `bugfixes` is for what a release has had, and {version} is the first one: use `trivial`"
        for name, found in sections.items()
        if "bugfixes" in found
    ]


def _bases() -> dict[str, str]:
    """Commits by what they are. A shallow clone may have none of them."""
    found = {}
    main = next((commit for ref in ("origin/main", "main") if (commit := _git("merge-base", "HEAD", ref))), "")
    if main:
        found["main"] = main
    if tag := _git("describe", "--tags", "--abbrev=0"):
        found[f"release {tag}"] = _git("rev-parse", f"{tag}^{{commit}}")
    return found


def _changed(commit: str) -> list[str]:
    """Files that are not what they were at the commit, also where the change is not committed."""
    new = _git("ls-files", "--others", "--exclude-standard")
    return sorted({*_git("diff", "--name-only", "--no-renames", commit).splitlines(), *new.splitlines()})


def _problems(commit: str) -> list[str]:
    changed = _changed(commit)
    notes = [name for name in changed if _is_note(name)]
    text = "".join((tree.ROOT / name).read_text(encoding="utf-8") for name in notes)
    before = _options_at(commit)
    new: dict[str, list[str]] = {}
    for file, options in _options(tree.ROOT).items():
        # antsibull-changelog lists new plugins by itself.
        for option in options - before.get(file, options):
            new.setdefault(option, []).append(file)
    unnamed = [option for option in sorted(new) if not re.search(rf"\b{option}\b", text)]
    published = [name for name in changed if name.startswith(tuple(f"{folder}/" for folder in _PUBLISHED))]
    if unnamed or notes or not published:
        return [_about_option(option, new[option]) for option in unnamed]
    sentence = (
        f"{_and_more(published)}: no fragment in {_FRAGMENTS} is new, and published files have changed: write one, in "
        f"the section `trivial` if users see no change: {_command('trivial', 'TOPIC', 'TEXT.')}"
    )
    return [sentence]


def _is_note(name: str) -> bool:
    fragment = name.startswith(f"{_FRAGMENTS}/") and name.endswith((".yml", ".yaml"))
    return (fragment or name == _RELEASED) and (tree.ROOT / name).is_file()


def _about_option(option: str, files: list[str]) -> str:
    subject = "fetch_content role" if files[0] == documentation.ROLE_SPECS else pathlib.PurePath(files[0]).stem
    command = _command("minor_changes", option.replace("_", "-"), f"{subject} - new option ``{option}``.")
    place = _and_more(files)
    return f"{place}: the option {option} is new, and no new fragment in {_FRAGMENTS} names it: write one: {command}"


def _and_more(files: list[str]) -> str:
    return f"{files[0]} and {len(files) - 1} more" if files[1:] else files[0]


def _command(section: str, topic: str, sentence: str) -> str:
    return rf"printf -- '---\n{section}:\n  - {sentence}\n' > {_FRAGMENTS}/{topic}.yml"


def _options_at(commit: str) -> dict[str, set[str]]:
    archive = subprocess.run(["git", "archive", commit], cwd=tree.ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
        return _options(pathlib.Path(folder))


def _options(root: pathlib.Path) -> dict[str, set[str]]:
    """The names of options, by the file that documents them."""
    found = {file: _names(options) for file, options in documentation.plugins(root).items()}
    found[documentation.ROLE_SPECS] = set().union(*map(_names, documentation.entry_points(root).values()))
    return {**found, **documentation.playbooks(root)}


def _names(options: documentation.Options) -> set[str]:
    """With those inside of options that are dictionaries."""
    inner = (about.get("options") or about.get("suboptions") or {} for about in options.values())
    return set(options).union(*map(_names, inner))


def _git(*arguments: str) -> str:
    """The output of a git command, empty when it fails."""
    ended = subprocess.run(["git", *arguments], cwd=tree.ROOT, check=False, capture_output=True, text=True)
    return ended.stdout.strip() if ended.returncode == 0 else ""
