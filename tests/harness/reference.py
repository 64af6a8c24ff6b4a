# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the reference that antsibull-docs writes: ``python -m tests.harness.reference DIRECTORY``.

antsibull-docs knows neither event sources nor playbooks, sorts the entry points of a role by name, shows no example of
one, and names Galaxy, where anybody may take the name of the collection. Runs in the environment of site.txt.
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import textwrap
import typing as t

import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.parser import Context, parse
from antsibull_docs_parser.rst import to_rst

from tests.harness import tree
from tests.support import marks

_EVENT_SOURCE: t.Final = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"
_ROLE: t.Final = tree.ROOT / "roles" / "fetch_content" / "meta" / "argument_specs.yml"
_GALAXY: t.Final = (
    (re.compile(r"`(storware\.backup collection) <https://galaxy[^>]*>`_"), r"\1"),
    (
        re.compile(r"To install it,? use: :code:`ansible\\-galaxy collection install storware\.backup`\."),
        r"It is not on Galaxy; :doc:`the README </readme>` says how to install its archive.",
    ),
)
# The theme shows the contents of each page beside it.
_CONTENTS: t.Final = re.compile(r"^\.\. contents::.*\n(?:   :.*\n)+", re.M)
_LISTED: t.Final = re.compile(r"^\* `(\S+) (\w+) <([^>]+)>`_ -- (.+?) *$|^\* :ref:`(\S+) (\w+) <([^>]+)>` -- (.+?) *$", re.M)
# Of the role and the playbooks, and of no use by themselves
_INTERNAL: t.Final = frozenset({"decide_removal", "fail_with_code", "fetch_report", "normalize_options"})
_GROUPS: t.Final = {
    "Downloads on the server": ("cloud_download", "cloud_download_info", "protected_entity_info"),
    "Files on hosts": ("cloud_download_content", "cloud_download_copy", "cloud_download_content_info"),
    "Server and session": ("server_info", "session"),
}


class Entry(t.NamedTuple):
    """A page of the reference, as the index lists it."""

    name: str
    kind: str
    page: str
    description: str


def main() -> None:
    """Complete the reference in the directory that the command line names."""
    directory = pathlib.Path(sys.argv[1])
    for page in directory.rglob("*.rst"):
        page.write_text(_without_galaxy(page), encoding="utf-8")
    role = directory / "fetch_content_role.rst"
    role.write_text(_order_entry_points(role.read_text(encoding="utf-8")), encoding="utf-8")
    (directory / "playbooks.rst").write_text(_playbooks(), encoding="utf-8")
    (directory / "cloud_downloads_event_source.rst").write_text(_event_source(), encoding="utf-8")
    index = directory / "index.rst"
    index.write_text(_index(index.read_text(encoding="utf-8")), encoding="utf-8")


def _without_galaxy(page: pathlib.Path) -> str:
    text = _CONTENTS.sub("", page.read_text(encoding="utf-8"))
    for said, instead in _GALAXY:
        text = said.sub(instead, text)
    if "collection install" in text or "galaxy.ansible.com" in text:
        sys.exit(f"{page.name} names Galaxy as a source of the collection")
    return text


def _order_entry_points(text: str) -> str:
    """Entry points in the order of the argument specs, where main is the first, and an example in it."""
    head, *sections = re.split(r"(?=^\.\. _\S+:\n\nEntry point ``)", text, flags=re.M)
    order = list(yaml.safe_load(_ROLE.read_text(encoding="utf-8"))["argument_specs"])
    found = {re.findall(r"^Entry point ``(\w+)``", section, re.M)[0]: section for section in sections}
    # The end of the page belongs to no entry point.
    *_others, last = found
    found[last], end = re.split(r"(?=^Authors?\n\^+$|^Collection links\n~+$|^\.\. Extra links)", found[last] + "\n", maxsplit=1, flags=re.M)[:2] if re.search(r"^\.\. Extra links", found[last], re.M) else (found[last], "")
    guide = (tree.ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    example = next(block.text for block in marks.blocks(guide) if block.name == "legal-case.yml")
    shown = f"Example\n^^^^^^^\n\n.. code-block:: yaml\n\n{textwrap.indent(example, '   ')}\n"
    found["main"] = found["main"].replace("\nParameters\n^^^^", f"\n{shown}\nParameters\n^^^^", 1)
    return head + "\n".join(found[name] for name in order) + end


def _playbooks() -> str:
    """All playbooks, as the comments at their top describe them."""
    pages = [_title("Playbooks"), "Each playbook takes all settings from variables, so that it can be an AWX job template as it is."]
    for path in sorted((tree.ROOT / "playbooks").glob("*.yml")):
        comment = re.search(r"^#\n((?:#.*\n)+)", path.read_text(encoding="utf-8"), re.M)
        assert comment, path
        pages += [_title(f"storware.backup.{path.stem}", "-"), *_described([line[2:] for line in comment[1].splitlines()], path.stem)]
    return "\n\n".join(pages) + "\n"


def _described(lines: list[str], prefix: str) -> t.Iterator[str]:
    """The paragraphs of such a comment: sentences, commands, and variables with their meaning."""
    paragraph: list[str] = []
    for line in [*lines, ""]:
        begins = re.match(r"  (?=\S)|\S", line)
        if paragraph and (begins or not line.strip()) and not (_kind(paragraph[0]) == _kind(line) == "sentence"):
            yield _paragraph(paragraph, prefix)
            paragraph = []
        if line.strip():
            paragraph.append(line)


def _kind(line: str) -> str:
    if not line.startswith("  "):
        return "sentence"
    return "command" if line.startswith("  ansible-playbook ") else "variable"


def _paragraph(lines: list[str], prefix: str) -> str:
    text = " ".join(line.strip() for line in lines) if _kind(lines[0]) != "variable" else ""
    if _kind(lines[0]) == "command":
        return f".. code-block:: bash\n\n   {text}"
    if text:
        return _marked(text, prefix)
    name, _space, meaning = lines[0].strip().partition("  ")
    rest = " ".join([meaning.strip(), *(line.strip() for line in lines[1:])]).strip()
    return f"* {_marked(name, prefix)}" + (f": {_marked(rest, prefix)}" if rest else "")


def _marked(text: str, prefix: str) -> str:
    """Names of variables, files and options as code."""
    return re.sub(rf"\b{prefix}_\w+|\bfetch_content_\w+|storware\.backup\.\w+|--\w+|\b[A-Z]+_[A-Z_]+\b", r"``\g<0>``", text)


def _event_source() -> str:
    """The event source, by its documentation."""
    module = ast.parse(_EVENT_SOURCE.read_text(encoding="utf-8"))
    blocks = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
    }
    described = yaml.safe_load(blocks["DOCUMENTATION"])
    lines = [
        _title(f"cloud_downloads event source -- {described['short_description']}"),
        "An event source for rulebooks of Event-Driven Ansible. :doc:`The guide </eda>` shows a rulebook that uses it.",
        _title("Synopsis", "-"),
        *(f"* {_rst(text)}" for text in described["description"]),
        _title("Parameters", "-"),
    ]
    for names, option in described["options"].items():
        facts = [option.get("type", ""), f"default: {option['default']}" if "default" in option else ""]
        facts.append(f"one of {', '.join(option['choices'])}" if "choices" in option else "")
        texts = option["description"] if isinstance(option["description"], list) else [option["description"]]
        heading = ", ".join(f"``{name}``" for name in names.split(", "))
        kind = "; ".join(fact for fact in facts if fact)
        lines.append(f"{heading}{f' ({kind})' if kind else ''}\n" + textwrap.indent(" ".join(map(_rst, texts)), "   "))
    lines += [_title("Example", "-"), f".. code-block:: yaml\n\n{textwrap.indent(blocks['EXAMPLES'].strip(), '   ')}"]
    return "\n\n".join(lines) + "\n"


def _index(text: str) -> str:
    """All pages by purpose, with one line each; those of antsibull-docs are listed in the text that it wrote."""
    found = [Entry(*(part for part in parts if part)) for parts in _LISTED.findall(text)]
    entries = {entry.name: entry for entry in found}
    ours = [
        Entry("cloud_downloads", "event source", "cloud_downloads_event_source", "Report cloud downloads that are created, ready, failed or deleted"),
        Entry("fetch_content, list_downloads, remove_downloads, check_server, configure_awx", "playbooks", "playbooks", "Take all settings from variables"),
    ]
    groups = {title: [entries[name] for name in names] for title, names in _GROUPS.items()}
    named = {entry.name for group in groups.values() for entry in group} | _INTERNAL
    groups["Role"] = [entry for entry in found if entry.kind == "role"]
    groups["Playbooks"] = ours[1:]
    groups["Filter"] = [entry for entry in found if entry.kind == "filter" and entry.name not in _INTERNAL]
    groups["Event source"] = ours[:1]
    forgotten = [entry.name for entry in found if entry.kind == "module" and entry.name not in named]
    if forgotten:
        sys.exit(f"The index of the reference has no place for {', '.join(forgotten)}: see tests/harness/reference.py")
    groups["Used by the role and the playbooks"] = [entry for entry in found if entry.name in _INTERNAL]
    lines = [_title("Reference")]
    lines.append(
        "Options, return values and examples of all parts. ``ansible-doc`` shows the same in a terminal, for example "
        "``ansible-doc storware.backup.cloud_download`` and ``ansible-doc -t role storware.backup.fetch_content``."
    )
    for title, group in groups.items():
        lines.append(_title(title, "-"))
        lines += [f"* :doc:`{entry.name} <{_page(entry)}>`: {entry.description}" for entry in group]
    pages = [f"   {entry.name} <{_page(entry)}>" for group in groups.values() for entry in group]
    shown = "\n".join(pages).replace(ours[1].name, "Playbooks")
    lines.append(f".. toctree::\n   :hidden:\n\n{shown}")
    return "\n\n".join(lines) + "\n"


def _page(entry: Entry) -> str:
    return entry.page if entry.page in ("playbooks", "cloud_downloads_event_source") else f"{entry.name}_{entry.kind}"


def _rst(text: str) -> str:
    return to_rst([parse(text, Context(), errors="exception")]).strip()


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


if __name__ == "__main__":
    main()
