# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables as options: empty ones are not set, texts become lists, and numbers that YAML made of texts are refused.

Pure. The specification is an argument spec of Ansible, whose validator checks types, choices and what is required.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._argspec import text_items

Spec = t.Mapping[str, t.Mapping[str, t.Any]]
Variables = t.Mapping[str, t.Any]

_TEXTS: t.Final = frozenset({"str", "path"})
# Types that YAML makes of texts without quotes, and such a text. In this order: a boolean is an integer for Python.
_MADE_BY_YAML: t.Final = (
    (bool, "boolean", "false"),
    ((int, float), "number", "0640"),
    (datetime.date, "date", "2026-01-09"),
)


def normalize(given: Variables, spec: Spec) -> tuple[dict[str, t.Any], list[str]]:
    """Check variables against an argument specification.

    Args:
        given: the variables, by name. Those that the specification does not name are left out.
        spec: an argument specification of Ansible, by the names of the variables. Paths stay as they are written,
            because they belong to hosts.

    Returns:
        The options by the names of the variables, each with its type, None where it is not set; and complaints, which
        are sentences.
    """
    complaints: list[str] = []
    values: dict[str, t.Any] = {}
    for name, about in spec.items():
        found = _clean(name, given.get(name), about, complaints)
        if found is not None:
            values[name] = found
    result = ArgumentSpecValidator({name: _as_argument(about) for name, about in spec.items()}).validate(values)
    complaints += [f"{text.rstrip('.')}." for text in result.error_messages]
    return {name: result.validated_parameters.get(name) for name in spec}, complaints


def _clean(name: str, value: t.Any, about: t.Mapping[str, t.Any], complaints: list[str]) -> t.Any:
    """Return the value in the form that the validator takes, None where it is not set. Adds to complaints."""
    kind = about.get("type", "str")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if kind == "list":
        return _clean_list(name, value, about, complaints)
    if kind == "dict":
        return _clean_dict(name, value, about, complaints)
    if kind in _TEXTS and not isinstance(value, str):
        complaints.append(_no_text(name, value))
        return None
    # A path may begin or end with a space.
    return value.strip() if isinstance(value, str) and kind != "path" else value


def _clean_list(name: str, value: t.Any, about: t.Mapping[str, t.Any], complaints: list[str]) -> list[t.Any] | None:
    if isinstance(value, str):
        return text_items(value)
    element = {"type": about.get("elements", "str")}
    items = value if isinstance(value, (list, tuple)) else [value]
    # A path in a list is stripped as well, as it would be in a text.
    found = [_clean(name, item.strip() if isinstance(item, str) else item, element, complaints) for item in items]
    return [item for item in found if item is not None]


def _clean_dict(
    name: str, value: t.Any, about: t.Mapping[str, t.Any], complaints: list[str]
) -> dict[str, t.Any] | None:
    if not isinstance(value, t.Mapping):
        complaints.append(f"{name} must be a dictionary, and is of the type {type(value).__name__}.")
        return None
    spec = about.get("options")
    if spec is None:
        return dict(value)
    # An unknown name is kept for the validator, which refuses it.
    found = {
        key: _clean(f"{name}.{key}", item, spec.get(key, {"type": "raw"}), complaints) for key, item in value.items()
    }
    return {key: item for key, item in found.items() if item is not None}


def _no_text(name: str, value: t.Any) -> str:
    """Return the complaint about a value that is no text. The value itself is not shown: it may be a password."""
    for types, kind, text in _MADE_BY_YAML:
        if isinstance(value, types):
            return (
                f"{name} must be quoted, because YAML makes a {kind} of the text without quotes: write '{text}', not "
                f"{text}. In a survey of AWX, put a space before it."
            )
    return f"{name} must be a text, and is of the type {type(value).__name__}."


def _as_argument(about: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the specification of one option for the validator, which would expand ~ in paths as on the controller."""
    argument = {
        key: about[key] for key in ("type", "elements", "choices", "default", "required", "no_log") if key in about
    }
    for key in ("type", "elements"):
        if argument.get(key) == "path":
            argument[key] = "str"
    if "options" in about:
        argument["options"] = {name: _as_argument(option) for name, option in about["options"].items()}
    return argument
