# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each plugin takes the options that it documents, and documents those that it takes."""

from __future__ import annotations

import importlib
import inspect
import pathlib
import typing as t
import unittest.mock

from ansible.module_utils import basic

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from tests.harness import tree
from tests.lint import AGAIN
from tests.support import documentation

_PACKAGE: t.Final = "ansible_collections.storware.backup.plugins"


class _Taken(BaseException):
    """The options of a module, as the way out of it before it reads any."""

    def __init__(self, _module: object, argument_spec: t.Mapping[str, t.Any], **settings: t.Any) -> None:
        common = basic.FILE_COMMON_ARGUMENTS if settings.get("add_file_common_args") else {}
        self.options = {*common, *argument_spec}


def problems() -> list[str]:
    """A sentence for each option that is on one side only."""
    found = []
    for file, documented in documentation.plugins(tree.ROOT).items():
        taken = _taken(pathlib.PurePath(file))
        found += [
            f"{file}: the option {name} is taken and not documented: describe it in DOCUMENTATION or in a doc "
            f"fragment, {AGAIN}"
            for name in sorted(taken - documented.keys())
        ]
        found += [
            f"{file}: the option {name} is documented and not taken: take it, or remove it from DOCUMENTATION or the "
            f"doc fragment, {AGAIN}"
            for name in sorted(documented.keys() - taken)
        ]
    return found


def _taken(file: pathlib.PurePath) -> set[str]:
    """The names of the options that the code of a module, a filter or the event source takes."""
    kind = file.parent.name
    if kind == "event_source":
        own = documentation.literal(tree.ROOT / file, "_OWN")
        return {option.name for option in _argspec.CONNECTION} | set(own) - {"eda_feedback_queue"}  # not the user's
    plugin = importlib.import_module(f"{_PACKAGE}.{kind}.{file.stem}")
    if kind == "filter":
        _value, *options = inspect.signature(plugin.FilterModule().filters()[file.stem]).parameters
        return {"_input", *options}
    if not hasattr(plugin, "main"):  # its action plugin does the work
        return set(importlib.import_module(f"{_PACKAGE}.action.{file.stem}").SPEC)
    return _options_of_module(plugin.main)


def _options_of_module(main: t.Callable[[], None]) -> set[str]:
    def leave(*arguments: t.Any, **settings: t.Any) -> t.NoReturn:
        raise _Taken(*arguments, **settings)

    with unittest.mock.patch.object(basic.AnsibleModule, "__init__", leave):
        try:
            main()
        except _Taken as taken:
            return taken.options
    raise AssertionError(f"{main.__module__} makes no AnsibleModule")
