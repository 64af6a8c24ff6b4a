# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that a tree of files documents. The files are read and not run, so that the tree may be any commit."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import ansible.plugins.doc_fragments
import yaml

Json = t.Any
Options = dict[str, Json]  # by name, each with its documentation

ROLE_SPECS: t.Final = "roles/fetch_content/meta/argument_specs.yml"
_PLUGINS: t.Final = ("plugins/modules", "plugins/filter", "extensions/eda/plugins/event_source")
_READS: t.Final = "storware.backup.normalize_options"
_COLLECTION: t.Final = "storware.backup"
# Paths of ansible-core's are no annotated list: the package has no __init__.py.
_FRAGMENTS_OF_ANSIBLE: t.Final = pathlib.Path(ansible.plugins.doc_fragments.__path__[0])


def plugins(root: pathlib.Path) -> dict[str, Options]:
    """The options of each plugin that has some, with those of doc fragments, by the file below root."""
    paths = sorted(path for folder in _PLUGINS for path in (root / folder).glob("[!_]*.py"))
    return {path.relative_to(root).as_posix(): _of_plugin(root, path) for path in paths}


def entry_points(root: pathlib.Path) -> dict[str, Options]:
    """The options of each entry point of the role, by its name."""
    specs = yaml.safe_load((root / ROLE_SPECS).read_text(encoding="utf-8"))["argument_specs"]
    return {name: spec.get("options", {}) for name, spec in specs.items()}


def playbooks(root: pathlib.Path) -> dict[str, set[str]]:
    """The variables that the comment at the top of each playbook names, by the file below root."""
    found = {}
    for path in sorted((root / "playbooks").glob("*.yml")):
        comment = "".join(re.findall("^#.*\n", path.read_text(encoding="utf-8"), re.M))
        found[path.relative_to(root).as_posix()] = set(re.findall(rf"\b{path.stem}_\w+", comment))
    return found


def playbook_options(path: pathlib.Path) -> Options:
    """The options that a playbook reads with normalize_options, by the names of its variables."""
    plays = yaml.safe_load(path.read_text(encoding="utf-8"))
    tasks = [task[_READS] for play in plays for task in play.get("tasks", ()) if _READS in task]
    return {task["prefix"] + name: about for task in tasks for name, about in task["options"].items()}


def playbook_uses(path: pathlib.Path) -> list[tuple[str, str, str]]:
    """Module and option that a playbook hands an option to that it has read, and the name of that one."""
    plays = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = []
    for task in (task for play in plays for task in play.get("tasks", ())):
        for module, given in task.items():
            if module.startswith(f"{_COLLECTION}.") and module != _READS:
                handed = {
                    option: re.search(rf"\b{path.stem}_options\.(\w+)", str(text)) for option, text in given.items()
                }
                found += [(module.rpartition(".")[2], option, name[1]) for option, name in handed.items() if name]
    return found


def literal(path: pathlib.Path, name: str) -> Json:
    """The literal that a Python file assigns to this name, also in a class. Raises KeyError when there is none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=found)], value=value)
                | ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value)
            ) if found == name:
                return ast.literal_eval(value)
    raise KeyError(f"{path}: {name}")


def _of_plugin(root: pathlib.Path, path: pathlib.Path) -> Options:
    """As Ansible merges them: the plugin's own words win, then those of the first fragment."""
    documentation = yaml.safe_load(literal(path, "DOCUMENTATION"))
    found: Options = {}
    for name in documentation.get("extends_documentation_fragment", ()):
        namespace, collection, fragment, *part = name.split(".")
        own = f"{namespace}.{collection}" == _COLLECTION
        folder = root / "plugins" / "doc_fragments" if own else _FRAGMENTS_OF_ANSIBLE
        text = literal(folder / f"{fragment}.py", part[0].upper() if part else "DOCUMENTATION")
        found = {**(yaml.safe_load(text).get("options") or {}), **found}
    found.update(documentation.get("options") or {})
    # The event source documents several options at once.
    return {name: about for names, about in found.items() for name in names.split(", ")}
