# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that texts for users have the field's standard terms, and sentences whose subject is a thing.

``python -m tests.lint.words --measure [--root DIR]`` prints frequencies per 1,000 words.
``python -m tests.lint.words --house [--root DIR]`` prints the size of the plugins.
"""

from __future__ import annotations

import argparse
import ast
import pathlib
import re
import typing as t

import yaml

from tests.harness import tree
from tests.lint import AGAIN, house

MOST_WHAT: t.Final = 2.0  # per 1,000 words; comparable collections have 0.2 to 1.2

_MARKDOWN: t.Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "roles/*/README.md")
_DOCUMENTED: t.Final = ("plugins/modules/*.py", "plugins/filter/*.py", "extensions/eda/plugins/event_source/*.py")
_FRAGMENTS: t.Final = ("plugins/doc_fragments/*.py",)
_CODE: t.Final = ("plugins/**/*.py", "extensions/eda/plugins/**/*.py")
_PLAYS: t.Final = ("playbooks/**/*.yml", "roles/*/tasks/**/*.yml", "extensions/eda/rulebooks/*.yml")
_SPECS: t.Final = ("roles/*/meta/argument_specs.yml", ".github/ISSUE_TEMPLATE/*.yml")
_CHANGES: t.Final = ("changelogs/fragments/*.yml", "changelogs/changelog.yaml")

GROUPS: t.Final[dict[str, tuple[str, ...]]] = {
    "README": ("README.md",),
    "docs": ("docs/*.md",),
    "plugin documentation": (*_DOCUMENTED, *_FRAGMENTS),
}
_PROSE_KEYS: t.Final = frozenset(
    {"description", "short_description", "notes", "details", "name", "label", "value", "msg", "fail_msg", "hint"}
)
# Not prose: comments and code of Markdown, macros of Ansible's documentation
_NOT_PROSE: t.Final = re.compile(
    r"<!--.*?-->|^ *```.*?^ *```|``[^`]+``|`[^`]+`|\]\([^)\s]*\)|https?://\S+|\b[A-Z]{1,3}\([^()]*\)", re.S | re.M
)

_CONTENT: t.Final = "(?:bytes?|content|data|files?|pieces?|answers?|responses?|what)"
_NO_MOTION: t.Final = r"(?!\s+(?:from|with|first|last|before|after)\b)"
# Each rule: a pattern, and the words to write instead. Patterns are bound to the meaning that has a standard term, so
# that "look up", "a server can lie about a file", "data comes from" and "an option of its own kind" pass.
_RULES: t.Final = tuple(
    (re.compile(pattern, re.I), instead)
    for pattern, instead in (
        (r"\b(?:tell(?:s|ing)?|told)\b", "report, show or print"),
        (r"\b(?:an?|the|one|each|every|another|(?:an?|the|at)\s+(?:first|last|next|later))\s+look\b(?!-)", "poll"),
        (r"\b(?:two|consecutive|all|between)\s+looks\b", "polls"),
        (
            r"\blies\b(?!\s+about)|\blay\b(?!\s+out)|\blie\s+(?:in|on|at|there|below|beside|behind)\b",
            "is, or is stored",
        ),
        (r"\bmend(?:s|ed|ing)?\b", "fix"),
        (r"\bbr(?:ing(?:s|ing)?|ought)\b", "fetch, transfer, provide or cause"),
        (rf"\b{_CONTENT}\s+(?:(?:has|have|had|that|which)\s+)*c[oa]mes?\b{_NO_MOTION}", "arrive, or be received"),
        (r"\bshall\b", "must, or is to"),
        (r"\bsome time\b", "later, or eventually"),
        (r"\bso (?:many|often)\b", "a number and its unit"),
        (r"\bat the (?:most|least)\b", "at most, or at least"),
        (r"\b(?:nobody|somebody)\b", "no user, another user, or the thing that acts"),
        (r"\bnot both and not neither\b", "exactly one of"),
        (r"\bauthority of \w+ own\b", "internal CA"),
        (r"\bof (?:one's|my|your|his|her|its|our|their) own\b(?!\s+\w)", "its own, before the noun"),
        (r"\bof (?:yours|ours|theirs)\b", "your, our or their, before the noun"),
    )
)
_CLAUSE: t.Final = re.compile(r"\b(?:Who(?:m|se|ever)?|What(?:ever)?|Where(?:ver)?)\b(?=[^.!?|]*(.))", re.S)
_WORD: t.Final = re.compile(r"[^\W\d_][\w'-]*")

Text = tuple[str, int, str]  # file below the root, number of the first line, prose with its line ends


def problems(root: pathlib.Path = tree.ROOT) -> list[str]:
    """Return a sentence for each refused word or sentence, and for each group of texts with too many "what".

    Args:
        root: A work tree of the collection. Its files are read and never imported.
    """
    found = [problem for text in texts(root) for problem in _refused(text)]
    return found + [
        f"{group}: 'what' occurs {rate:.1f} times per 1,000 words, and {MOST_WHAT:.0f} is the limit: make things the "
        f"subjects of sentences, {AGAIN}"
        for group in GROUPS
        if (rate := _per_1000(root, group)["what"]) >= MOST_WHAT
    ]


def texts(root: pathlib.Path) -> list[Text]:
    """Return all texts for users, sorted by file and line."""
    return sorted(
        [
            *_markdown(root),
            *_documentation(root),
            *_yaml_files(root, _SPECS + _PLAYS, _PROSE_KEYS),
            *_yaml_files(root, _CHANGES, None),
            *_comments(root),
            *_messages(root),
        ]
    )


def measure(root: pathlib.Path) -> str:
    """Return a table of frequencies per 1,000 words for README, docs and the documentation of plugins."""
    rows = {group: _per_1000(root, group) for group in GROUPS}
    head = f"{'per 1,000 words':24}" + "".join(f"{name:>24}" for name in rows["README"])
    return "\n".join(
        [head, *(f"{group:24}" + "".join(f"{rate:24.1f}" for rate in row.values()) for group, row in rows.items())]
    )


def _refused(text: Text) -> t.Iterator[str]:
    file, first, prose = text
    found = [(match, instead) for pattern, instead in _RULES for match in pattern.finditer(prose)]
    found += [(match, "a sentence that begins with its subject, a thing") for match in _clauses(prose)]
    for match, instead in sorted(found, key=lambda one: one[0].start()):
        line = first + prose.count("\n", 0, match.start())
        yield f"{file}:{line}: {' '.join(match[0].split())!r} is not used here: write {instead}, {AGAIN}"


def _clauses(prose: str) -> list[re.Match[str]]:
    """Return sentences that begin with What, Who or Where and are no questions."""
    return [match for match in _CLAUSE.finditer(prose + ".") if match[1] != "?"]


def _per_1000(root: pathlib.Path, group: str) -> dict[str, float]:
    wanted = set(_names(root, *GROUPS[group]))
    documents = [*_markdown(root), *_documentation(root)]
    prose = "\n\n".join(text for file, _line, text in documents if file in wanted)
    words = [word.lower() for word in _WORD.findall(prose)]
    counts = {
        "what": words.count("what"),
        "What/Who/Where clauses": len(_clauses(prose)),
        "told/tell": sum(words.count(word) for word in ("told", "tell", "tells", "telling")),
    }
    return {name: 1000 * count / max(len(words), 1) for name, count in counts.items()}


def _names(root: pathlib.Path, *patterns: str) -> list[str]:
    paths = {path for pattern in patterns for path in root.glob(pattern)}
    return sorted(path.relative_to(root).as_posix() for path in paths)


def _prose(source: str) -> str:
    """Replace code by an X, and keep the line ends."""
    return _NOT_PROSE.sub(lambda match: "X" + "\n" * match[0].count("\n"), source)


def _markdown(root: pathlib.Path) -> t.Iterator[Text]:
    for file in _names(root, *_MARKDOWN):
        yield file, 1, _prose((root / file).read_text(encoding="utf-8"))


def _documentation(root: pathlib.Path) -> t.Iterator[Text]:
    """Yield prose and comments of the YAML blocks of plugins and doc fragments."""
    for file in _names(root, *_DOCUMENTED, *_FRAGMENTS):
        for node in ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))):
            if block := house.documentation_block(node):
                yield from ((file, block.lineno + line, _prose(text)) for line, text in _comments_of(str(block.value)))
                yield from _scalars(file, block.lineno, str(block.value), _PROSE_KEYS)


def _yaml_files(root: pathlib.Path, patterns: tuple[str, ...], keys: frozenset[str] | None) -> t.Iterator[Text]:
    for file in _names(root, *patterns):
        yield from _scalars(file, 1, (root / file).read_text(encoding="utf-8"), keys)


def _scalars(file: str, first: int, source: str, keys: frozenset[str] | None) -> t.Iterator[Text]:
    """Yield the scalars below these keys, or all for None, as they are in the source."""
    for node in _below(yaml.compose(source, Loader=yaml.SafeLoader), keys, wanted=keys is None):
        start, end = node.start_mark, node.end_mark
        yield file, first + start.line, _prose(source[start.index : end.index])


def _below(node: yaml.Node | None, keys: frozenset[str] | None, *, wanted: bool) -> t.Iterator[yaml.ScalarNode]:
    match node:
        case yaml.ScalarNode() if wanted:
            yield node
        case yaml.SequenceNode():
            for item in node.value:
                yield from _below(item, keys, wanted=wanted)
        case yaml.MappingNode():
            for key, value in node.value:
                # An option may have such a name itself: then its description is below a mapping.
                prose = keys is None or (key.value in keys and not isinstance(value, yaml.MappingNode))
                yield from _below(value, keys, wanted=prose)


def _comments(root: pathlib.Path) -> t.Iterator[Text]:
    """Yield the comments of playbooks, which describe their variables."""
    for file in _names(root, "playbooks/**/*.yml"):
        source = (root / file).read_text(encoding="utf-8")
        yield from ((file, 1 + line, _prose(text)) for line, text in _comments_of(source))


def _comments_of(source: str) -> t.Iterator[tuple[int, str]]:
    for match in re.finditer(r"(?:^ *#.*\n)+", source, re.M):
        yield source.count("\n", 0, match.start()), re.sub(r"^ *# ?", "", match[0], flags=re.M)


def _messages(root: pathlib.Path) -> t.Iterator[Text]:
    """Yield string literals of several words in the code of plugins: messages and hints, wherever they are raised."""
    for file in _names(root, *_CODE):
        nodes = list(ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))))
        checked = {house.documentation_block(node) for node in nodes}
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            if node not in checked | docstrings | parts and (text := _literal(node)) and " " in text.strip():
                yield file, t.cast("ast.expr", node).lineno, text.replace("\n", " ")


def _literal(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in values)
    return None


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.lint.words", description=__doc__)
    parser.add_argument(
        "--root", type=pathlib.Path, default=tree.ROOT, help="the work tree to read (default: this one)"
    )
    parser.add_argument("--measure", action="store_true", help="frequencies per 1,000 words")
    parser.add_argument("--house", action="store_true", help="files, lines, classes and functions of plugins")
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(arguments.root))
    if arguments.house:
        print(house.table(arguments.root))
    if not (arguments.measure or arguments.house):
        print("\n".join(problems(arguments.root)) or "No word is refused.")


if __name__ == "__main__":
    main()
