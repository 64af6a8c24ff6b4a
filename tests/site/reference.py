# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the reference that antsibull-docs writes: ``python -m tests.site.reference DIRECTORY``.

antsibull-docs knows neither event sources nor playbooks, sorts the entry points of a role by name, shows no example of
one, and names Galaxy, where anybody may take the name of the collection. Runs in the environment of site.txt.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import sys
import textwrap
import typing as t

import yaml
from antsibull_docs_parser.parser import Context, parse
from antsibull_docs_parser.rst import to_rst

from tests.harness import tree
from tests.support import marks

_EVENT_SOURCE: t.Final = tree.ROOT / "extensions" / "eda" / "plugins" / "event_source" / "cloud_downloads.py"
_PLAYBOOKS: t.Final = sorted((tree.ROOT / "playbooks").glob("*.yml"))
_ROLE: t.Final = tree.ROOT / "roles" / "fetch_content" / "meta" / "argument_specs.yml"
_GALAXY: t.Final = (
    (re.compile(r"`(storware\.backup collection) <https://galaxy[^>]*>`_"), r"\1"),
    (
        re.compile(r"To install it,? use: :code:`ansible\\-galaxy collection install storware\.backup`\."),
        r"It is not on Galaxy; :doc:`the README </readme>` says how to install its archive.",
    ),
)
# Links that are the same on every page. The theme shows the contents of a page beside it.
_LEFT_OUT: t.Final = (
    re.compile(r"^\.\. contents::.*\n(?:   :.*\n)+", re.M),
    re.compile(r"^\.\. Extra links$.*?(?=^\.\. Parsing errors)", re.M | re.S),
)
_LISTED: t.Final = re.compile(r"^\* :ansplugin:`(\w+) (\w+) <[^>]+>` -- (.+)$", re.M)
_ENTRY_POINT: t.Final = re.compile(r"(?=^\.\. _ansible_collections\.\S+_role__entrypoint-(\w+):$)", re.M)
# Between the name of a variable and its meaning
_COLUMN: t.Final = re.compile(r"\S  +\S")
# Of the role and the playbooks, and of no use by themselves
_INTERNAL: t.Final = frozenset({"decide_removal", "fail_with_code", "fetch_plan", "fetch_report", "normalize_options"})
_GROUPS: t.Final = {
    "Downloads on the server": ("cloud_download", "cloud_download_info", "protected_entity_info"),
    "Files on hosts": (
        "cloud_download_content",
        "cloud_download_copy",
        "cloud_download_content_info",
        "cloud_download_retention",
    ),
    "Server and session": ("server_info", "session"),
}


class Entry(t.NamedTuple):
    """A page of the reference, as the index lists it."""

    name: str
    kind: str
    description: str

    @property
    def page(self) -> str:
        """The name of the page, as antsibull-docs makes it."""
        return f"{self.name}_{self.kind.replace(' ', '_')}"


def main() -> None:
    """Complete the reference in the directory that the command line names."""
    directory = pathlib.Path(sys.argv[1])
    shutil.rmtree(directory / "docsite")  # says where the guides are, which is here
    (directory / "environment_variables.rst").unlink()
    for page in directory.glob("*.rst"):
        page.write_text(_settle(page), encoding="utf-8")
    role = directory / "fetch_content_role.rst"
    role.write_text(_order_entry_points(role.read_text(encoding="utf-8")), encoding="utf-8")
    (directory / "playbooks.rst").write_text(_playbooks(), encoding="utf-8")
    source, text = _event_source()
    (directory / f"{source.page}.rst").write_text(text, encoding="utf-8")
    index = directory / "index.rst"
    index.write_text(_index([Entry(*found) for found in _LISTED.findall(index.read_text("utf-8"))], source), "utf-8")


def _settle(page: pathlib.Path) -> str:
    text = page.read_text(encoding="utf-8")
    for pattern in _LEFT_OUT:
        text = pattern.sub("", text)
    for said, instead in _GALAXY:
        text = said.sub(instead, text)
    if "collection install" in text or "galaxy.ansible.com" in text:
        sys.exit(f"{page.name} names Galaxy as a source of the collection")
    return text


def _order_entry_points(text: str) -> str:
    """Entry points in the order of the argument specs, where main is the first, and an example in it."""
    head, *parts = _ENTRY_POINT.split(text)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    guide = (tree.ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    example = next(block.text for block in marks.blocks(guide) if block.name == "legal-case.yml")
    shown = f"{_title('Example', '^')}\n\n.. code-block:: yaml\n\n{textwrap.indent(example, '   ')}\n"
    sections["main"] = sections["main"].replace("\nParameters\n^^^^", f"\n{shown}\nParameters\n^^^^", 1)
    order = yaml.safe_load(_ROLE.read_text(encoding="utf-8"))["argument_specs"]
    return head + "\n".join(sections[name] for name in order)


def _playbooks() -> str:
    """All playbooks, as the comments at their top describe them."""
    pages = [
        _title("Playbooks"),
        "Each playbook takes all settings from variables, so that it can be an AWX job template as it is.",
    ]
    for path in _PLAYBOOKS:
        comment = re.search(r"^#\n((?:#.*\n)+)", path.read_text(encoding="utf-8"), re.M)
        assert comment, path
        pages += [
            _title(f"storware.backup.{path.stem}", "-"),
            *_described([line[2:] for line in comment[1].splitlines()], path.stem),
        ]
    return "\n\n".join(pages) + "\n"


def _described(lines: t.Sequence[str], prefix: str) -> t.Iterator[str]:
    """The paragraphs of such a comment: sentences, commands, and variables with their meaning."""
    paragraphs: list[list[str]] = []
    for line in filter(str.strip, lines):
        if not (paragraphs and _continues(paragraphs[-1], line)):
            paragraphs.append([])
        paragraphs[-1].append(line)
    yield from (_paragraph(paragraph, prefix) for paragraph in paragraphs)


def _continues(paragraph: t.Sequence[str], line: str) -> bool:
    """Whether the line is of the same sentences, or of the same variables: indented more, or without their column."""
    if not line.startswith("  "):
        return not paragraph[0].startswith("  ") and not line.startswith("Variables")
    if not paragraph[0].startswith("  ") or _is_command(paragraph[0]):
        return False
    return line.startswith("   ") or not (_COLUMN.search(line) or _COLUMN.search(paragraph[0]))


def _is_command(line: str) -> bool:
    return line.startswith("  ansible-playbook ")


def _paragraph(lines: t.Sequence[str], prefix: str) -> str:
    if _is_command(lines[0]):
        return f".. code-block:: bash\n\n   {lines[0].strip()}"
    name, _space, meaning = lines[0].strip().partition("  ")
    text = " ".join([meaning.strip() or name, *(line.strip() for line in lines[1:])])
    shown = f"{_marked(name, prefix)}: {_marked(text, prefix)}" if meaning else _marked(text, prefix)
    return f"* {shown}" if lines[0].startswith("  ") else shown


def _marked(text: str, prefix: str) -> str:
    """Names of variables, plugins and options as code."""
    code = rf"\b(?:{prefix}|fetch_content)_\w+|\bstorware\.backup\.\w+|(?<!\S)--?[a-z]\w*|\b[A-Z]+_[A-Z_]+\b"
    return re.sub(code, r"``\g<0>``", text)


def _event_source() -> tuple[Entry, str]:
    """The event source and its page, by its documentation."""
    source = _EVENT_SOURCE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r'^(DOCUMENTATION|EXAMPLES) = r"""\n(.*?)^"""', source, re.M | re.S))
    described = yaml.safe_load(blocks["DOCUMENTATION"])
    entry = Entry(_EVENT_SOURCE.stem, "event source", described["short_description"])
    lines = [
        _title(f"storware.backup.{entry.name} event source -- {entry.description}"),
        "For rulebooks of Event-Driven Ansible. :doc:`The guide </eda>` shows one that uses it.",
        _title("Synopsis", "-"),
        *(f"* {_rst(text)}" for text in described["description"]),
        _title("Parameters", "-"),
        *(_option(names, option) for names, option in described["options"].items()),
        _title("Example", "-"),
        f".. code-block:: yaml\n\n{textwrap.indent(blocks['EXAMPLES'].strip(), '   ')}",
    ]
    return entry, "\n\n".join(lines) + "\n"


def _option(names: str, option: t.Mapping[str, t.Any]) -> str:
    """An entry of a definition list: the names of options, and their meaning."""
    facts = [option["type"]] if "type" in option else []
    facts += [f"default: {option['default']}"] if "default" in option else []
    facts += [f"one of {', '.join(option['choices'])}"] if "choices" in option else []
    texts = option["description"] if isinstance(option["description"], list) else [option["description"]]
    heading = ", ".join(f"``{name}``" for name in names.split(", "))
    kind = f" ({'; '.join(facts)})" if facts else ""
    return f"{heading}{kind}\n   {' '.join(map(_rst, texts))}"


def _index(found: t.Sequence[Entry], event_source: Entry) -> str:
    """All pages by purpose, with a line each."""
    modules = {entry.name: entry for entry in found if entry.kind == "module"}
    public = [entry for entry in found if entry.name not in _INTERNAL]
    groups = {title: [modules.pop(name) for name in names] for title, names in _GROUPS.items()}
    groups["Role"] = [entry for entry in public if entry.kind == "role"]
    groups["Playbooks"] = []
    groups["Filter"] = [entry for entry in public if entry.kind == "filter"]
    groups["Event source"] = [event_source]
    groups["Used by the role and the playbooks only"] = [entry for entry in found if entry.name in _INTERNAL]
    if forgotten := modules.keys() - _INTERNAL:
        sys.exit(f"The index of the reference has no group for {', '.join(forgotten)}: add it to _GROUPS")
    lines = [
        _title("Reference"),
        "Options, return values and examples. In a terminal: ``ansible-doc storware.backup.cloud_download``.",
    ]
    for title, entries in groups.items():
        lines.append(_title(title, "-"))
        lines += [f"* :doc:`{entry.name} <{entry.page}>`: {entry.description}" for entry in entries]
        if title == "Playbooks":
            lines.append(
                f"* :doc:`{', '.join(path.stem for path in _PLAYBOOKS)} <playbooks>`: take all settings from variables"
            )
    pages = [f"   {entry.name} <{entry.page}>" for entries in groups.values() for entry in entries]
    lines.append("\n".join([".. toctree::", "   :hidden:", "", "   Playbooks <playbooks>", *pages]))
    return "\n\n".join(lines) + "\n"


def _rst(text: str) -> str:
    return to_rst(parse(text, Context(), errors="exception")).strip()


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


if __name__ == "__main__":
    main()
