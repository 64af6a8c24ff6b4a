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


def load(value: t.Any, resolve: t.Callable[[str], str]) -> t.Any:
    """Return the document of the option ``profile``, checked; None for an empty file.

    value: the document, or the path of a file, which ``resolve`` makes absolute. Raises OptionError, which never
    repeats the contents of the file: it may be one of secrets.
    """
    document = _parse(_read(resolve(value)), value) if isinstance(value, str) else value
    _profile.parse(document)
    return document


def _read(path: str) -> bytes:
    try:
        # A pipe or a device may never end, and opening it may not return.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OptionError("profile", f"{path} is not a regular file")
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path cannot be used"
        raise OptionError("profile", f"Cannot read {path}: {reason}") from None
    if len(data) > MAX_SIZE:
        raise OptionError("profile", f"{path} is larger than {MAX_SIZE} bytes, so it is not a profile")
    return data


def _parse(data: bytes, path: str) -> t.Any:
    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise OptionError("profile", f"{path} is not valid YAML{where}") from None
    except (ValueError, RecursionError):  # a date that does not exist; brackets without end
        raise OptionError("profile", f"{path} is not valid YAML") from None
