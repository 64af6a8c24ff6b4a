# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option of the role is described, has the default that is documented, and is handed on."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml

from tests.harness import tree
from tests.lint import AGAIN
from tests.support import documentation

Json = t.Any

_ROLE: t.Final = "roles/fetch_content"
_SPECS: t.Final = documentation.ROLE_SPECS
_DEFAULTS: t.Final = f"{_ROLE}/defaults/main.yml"
_TASKS: t.Final = tree.ROOT / _ROLE / "tasks"
_OPTIONS: t.Final = "_fetch_content_options"  # where they are once they have been read
# A value that is handed on as it is.
_HANDED: t.Final = re.compile(
    rf"\{{\{{ \(?{_OPTIONS}\.(\w+)(?: \| default\(omit, true\)| \| string\) if {_OPTIONS}\.\w+ else omit)? \}}\}}"
)


def problems() -> list[str]:
    """A sentence for each option that something is missing of."""
    entry_points = documentation.entry_points(tree.ROOT)
    found = [
        *_of_descriptions(entry_points),
        *_of_defaults(entry_points),
        *_of_uses(entry_points),
        *_of_modules(entry_points),
    ]
    return list(dict.fromkeys(found))  # entry points share options


def _of_descriptions(entry_points: t.Mapping[str, documentation.Options]) -> list[str]:
    return [
        f"{_SPECS}: the option {name} has no description: write one, {AGAIN}"
        for options in entry_points.values()
        for name, about in options.items()
        if not about.get("description")
    ]


def _of_defaults(entry_points: t.Mapping[str, documentation.Options]) -> list[str]:
    defaults = _read(_DEFAULTS)
    found = []
    for options in entry_points.values():
        for name, about in options.items():
            documented, real = about.get("default"), defaults.get(name)
            if documented != real:
                found.append(
                    f"{_DEFAULTS}: the default of the option {name} is {_as_yaml(real)}, and {_as_yaml(documented)} in "
                    f"{_SPECS}: write the same in both, {AGAIN}"
                )
    known = {name for options in entry_points.values() for name in options}
    return found + [
        f"{_DEFAULTS}: {name} is no option of any entry point: describe it in {_SPECS}, or remove it, {AGAIN}"
        for name in sorted(defaults.keys() - known)
    ]


def _of_uses(entry_points: t.Mapping[str, documentation.Options]) -> list[str]:
    return [
        f"{_SPECS}: no task of the entry point {entry} uses the option {name}: hand it on in {_ROLE}/tasks, or remove "
        f"it from the entry point, {AGAIN}"
        for entry, options in entry_points.items()
        for text in [_text_of(entry)]
        for name in options
        if not re.search(rf"\b{_read_as(name)}\b", text)
    ]


def _read_as(name: str) -> str:
    """The name of an option in tasks. Two have another one: what follows from it, and module_defaults as they are."""
    others = {"fetch_content_relay_groups": f"{_OPTIONS}.neighbours", "fetch_content_connection": name}
    return others.get(name, f"{_OPTIONS}.{name.removeprefix('fetch_content_')}")


def _text_of(entry: str) -> str:
    """What an entry point does, as text without comments: its tasks, and the templates that they name."""
    files = _with_included(_TASKS / f"{entry}.yml")
    text = "\n".join(str(_read(file)) for file in sorted(files))
    templates = (tree.ROOT / _ROLE / "templates").glob("*.j2")
    return text + "".join(path.read_text(encoding="utf-8") for path in templates if path.name in text)


def _with_included(path: pathlib.Path) -> set[pathlib.Path]:
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"(?:import|include)_tasks: (\S+\.yml)", text)
    steps = re.findall(r"_fetch_content_step: (\w+)", text)  # files that controller.yml imports
    steps_of = [_TASKS / "steps" / f"{name}.yml" for name in steps]
    return {path}.union(*map(_with_included, [*(path.parent / name for name in names), *steps_of]))


def _of_modules(entry_points: t.Mapping[str, documentation.Options]) -> t.Iterator[str]:
    """Nothing can be asked of the role that a module refuses, and nothing else is done when it is not asked for."""
    known = {name: about for options in entry_points.values() for name, about in options.items()}
    modules = {f"storware.backup.{pathlib.Path(file).stem}": o for file, o in documentation.plugins(tree.ROOT).items()}
    arguments = [found for path in sorted(_TASKS.rglob("*.yml")) for found in _arguments(_read(path))]
    for module, option, value in arguments:
        handed = _HANDED.fullmatch(str(value))
        name = f"fetch_content_{handed[1]}" if handed else ""
        if name not in known or option not in modules.get(module, {}):
            continue
        ours, theirs = known[name], modules[module][option]
        for key in ("type", "choices", "default"):
            # An empty list is handed on as nothing.
            one, other = ours.get(key) or None, theirs.get(key) or None
            if one != other and not (key == "type" and one == "str"):  # a text may become anything
                yield (
                    f"{_SPECS}: {name} has the {key} {_as_yaml(one)}, and the option {option} of {module}, which "
                    f"it is handed to, has {_as_yaml(other)}: write the same in both, {AGAIN}"
                )


def _arguments(tasks: Json) -> t.Iterator[tuple[str, str, Json]]:
    """Module, option and value of what all tasks hand to modules of the collection."""
    for task in tasks:
        for key, value in task.items():
            if key in ("block", "rescue", "always"):
                yield from _arguments(value)
            elif key.startswith("storware.backup."):
                yield from ((key, option, given) for option, given in (value or {}).items())


def _read(path: str | pathlib.Path) -> Json:
    return yaml.safe_load((tree.ROOT / path).read_text(encoding="utf-8"))


def _as_yaml(value: Json) -> str:
    return "unset" if value is None else yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
