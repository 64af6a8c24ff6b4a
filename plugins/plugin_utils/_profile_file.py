# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server profile on the controller: a dictionary, or the path of a file that holds one."""

from __future__ import annotations

import os
import stat
import typing as t

import yaml

from ..module_utils import _profile
from ..module_utils._errors import OptionError

MAX_SIZE: t.Final = 64 * 1024  # bytes


class _Loader(yaml.SafeLoader):
    """Loads YAML without merge keys: merged into one another, a few short lines are memory without end."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge nothing, so that a merge key is a key of an unknown type, which is an error."""


def load(value: t.Any, directory: str) -> t.Any:
    """Return the document of the option ``profile``, checked; None for an empty file.

    value: the document, or the path of a file. directory: the one that a relative path is relative to. Raises
    OptionError, which never repeats the contents of the file: it may be one of secrets.
    """
    document = value
    if isinstance(value, str):
        path = os.path.join(directory, os.path.expanduser(value))
        document = _parse(_read(path), path)
    _profile.parse(document)
    return document


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OptionError("profile", f"{path} is not a regular file")
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path cannot be used"
        raise OptionError("profile", f"Cannot read {path}: {reason}") from None
    if len(data) > MAX_SIZE:
        raise OptionError("profile", f"{path} is larger than {MAX_SIZE} bytes, so it is not a profile")
    return data


def _open_at_once(path: str, flags: int) -> int:
    # A pipe may have no writer, and opening it would not return.
    return os.open(path, flags | os.O_NONBLOCK)


def _parse(data: bytes, path: str) -> t.Any:
    try:
        _check_depth(data, path)
        return yaml.load(data, _Loader)  # noqa: S506  # a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise OptionError("profile", f"{path} is not valid YAML{where}") from None
    # Of PyYAML itself for numbers, dates and tags that make no sense
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise OptionError("profile", f"{path} is not valid YAML") from None


def _check_depth(data: bytes, path: str) -> None:
    """Raise OptionError for brackets without end, before they are read by functions that call themselves."""
    depth = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _profile.MAX_DEPTH:
            raise OptionError("profile", f"{path} has more than {_profile.MAX_DEPTH} levels, so it is not a profile")
