# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate for results of managed hosts: documented keys only, typed, bounded, without control characters.

Ansible obeys a result: facts become variables, statistics become artifacts of a job. A module of this collection
returns neither, so a host that answers with them is not running that module.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import json
import re
import typing as t

from ansible.module_utils.json_utils import _filter_non_json_lines

from ..module_utils._argspec import is_sha256
from ..module_utils._errors import StorwareError
from ..module_utils._printable import escape_controls
from ..module_utils._redaction import OMITTED

Result = dict[str, t.Any]

# The documented return values of each module and their types. A test compares this with the RETURN blocks.
_FILE: t.Final = {
    "path": "str",
    "guid": "str",
    "reason": "str",
    "size": "int",
    "sha256": "str",
    "verified": "str",
    "format": "str",
    "receipt": "str",
    "checksum": "str",
    "seconds": "float",
    "bytes_received": "int",
    "source": "str",
    "owner": "str",
    "group": "str",
    "mode": "str",
    "uid": "int",
    "gid": "int",
    "secontext": "str",
    "state": "str",
}
_ARCHIVE: t.Final = {"entries": "int", "unpacked_size": "int"}
_ERROR: t.Final = {"error": "dict"}
RETURNED: t.Final[t.Mapping[str, t.Mapping[str, str]]] = {
    "cloud_download": {
        "cloud_downloads": "list",
        "created": "list",
        "updated": "list",
        "deleted": "list",
        "tasks": "list",
        "failures": "list",
        "protected_entities": "list",
        "backups": "list",
        **_ERROR,
    },
    "cloud_download_content": {**_FILE, "padding": "int", **_ARCHIVE, "files": "list", **_ERROR},
    "cloud_download_content_info": {"intact": "bool", "files": "list", "free": "int", "receipts": "int", **_ERROR},
    "cloud_download_copy": {**_FILE, "files": "list", **_ERROR},
    "cloud_download_info": {"cloud_downloads": "list", **_ERROR},
    "cloud_download_retention": {"removed": "list", **_ERROR},
    "protected_entity_info": {"protected_entities": "list", "names": "list", **_ERROR},
    "server_info": {
        "findings": "list",
        "differences": "list",
        "profile": "dict",
        "merged_profile": "dict",
        "report": "str",
        **_ERROR,
    },
    "session": {"session": "str", "server": "str", "opened": "bool", "user": "dict", **_ERROR},
}

# What Ansible itself and its asynchronous tasks add; an exception and warnings have types of their own since core 2.19.
_COMMON: t.Final = {
    "failed": "flag",  # async_wrapper has numbers for these (core 2.16 to 2.18)
    "changed": "flag",
    "msg": "str",
    "rc": "int",
    "stdout": "str",
    "stderr": "str",
    "stdout_lines": "list",
    "stderr_lines": "list",
    "module_stdout": "str",
    "module_stderr": "str",
    "exception": "raw",
    "warnings": "list",
    "deprecations": "list",
    "diff": "raw",
    "invocation": "dict",
    "ansible_job_id": "str",
    "started": "flag",
    "finished": "flag",
    "results_file": "str",
    "_ansible_parsed": "bool",
}
_TYPES: t.Final[t.Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "flag": (bool, int),
    "list": (list, tuple),
    "dict": (dict,),
    "raw": (object,),
}

MOST_TEXT: t.Final = 65_536  # characters of a text; longer ones are cut
MOST_ITEMS: t.Final = 5_000_000  # values in a result: more than all records of a server that has 100,000
MOST_WARNINGS: t.Final = 20
_MOST_DEPTH: t.Final = 50
_TOO_LARGE: t.Final = "it is too large"

# Texts whose lines are kept
_LINES: t.Final = frozenset(
    {
        "exception",
        "report",
        "stdout",
        "stderr",
        "module_stdout",
        "module_stderr",
        "formatted_traceback",
        "formatted_source_context",
    }
)
_INTERPRETER: t.Final = re.compile(r"/[\w./+-]{1,255}", re.ASCII)


def invalid_result(why: str) -> StorwareError:
    """Return the error for a host that has returned a result that its module cannot have returned."""
    return StorwareError(
        f"The result of the host cannot be true: {why}",
        code="invalid_result",
        hint="Check the host, its Python interpreter and its connection: something else has answered.",
    )


def clean_text(text: str, most: int = MOST_TEXT, *, lines: bool = False) -> str:
    """Return a text with control characters as escapes, of that many characters or fewer.

    lines: whether line feeds and tabs stay.
    """
    return escape_controls(text[:most], keep="\n\t" if lines else "")[:most]


def clean_result(module: str, raw: t.Mapping[str, t.Any]) -> Result:
    """Return the documented part of a module's result. Raises StorwareError for values that no module returns."""
    documented = {**RETURNED[module], **_COMMON}
    items = itertools.count(1)
    clean = {}
    for key, kind in documented.items():
        value = raw.get(key)
        if value is None and key not in raw:
            continue
        if value is not None and not _is(value, kind):
            raise invalid_result(f"{key} is no {kind}")
        clean[key] = _clean_value(value, key, items)
    return clean


def clean_warnings(output: str) -> str:
    """Return the output of a module with a limited number of clean warnings.

    Ansible-core 2.21 takes warnings for display while it reads the result, before an action plugin gets it. Raises
    ValueError for an output without a result, StorwareError for one that is too large to be decoded.
    """
    if sum(map(output.count, "[{,")) > MOST_ITEMS:
        raise invalid_result(_TOO_LARGE)
    result = json.loads(_filter_non_json_lines(output, objects_only=True)[0])
    for key in ("warnings", "deprecations"):
        found = result.pop(key, None)
        if isinstance(found, list) and found:
            result[key] = _clean_value(found[:MOST_WARNINGS], key, itertools.count(1))
    return json.dumps(result)


def with_interpreter(clean: Result, key: str | None, interpreter: t.Any) -> Result:
    """Return the result with the one fact that Ansible itself adds: the Python that it has found on the host."""
    if key and isinstance(interpreter, str) and _INTERPRETER.fullmatch(interpreter):
        return {**clean, "ansible_facts": {key: interpreter}}
    return clean


def check_files(raw: t.Mapping[str, t.Any], clean: Result, guids: t.Sequence[str], *, predicted: bool) -> None:
    """Raise StorwareError for a result that is no failure and has not the file of each of these downloads.

    raw: the output of the module, with the names of the fields that it has left out, which may be missing. clean: the
    documented part of it. guids: in the order of the files. predicted: check mode, where a file to fetch has neither
    path nor digest.
    """
    if clean.get("failed"):
        return
    omitted = raw.get(OMITTED)

    def is_omitted(file: t.Mapping[str, t.Any], name: str) -> bool:
        return name not in file and isinstance(omitted, dict) and name in omitted

    files = clean.get("files") or []
    if len(files) != len(guids) or not all(
        isinstance(file, dict) and (file.get("guid") == guid or is_omitted(file, "guid"))
        for file, guid in zip(files, guids)
    ):
        raise invalid_result("it says that all is well, without the files that were asked for")
    for file, guid in () if predicted else zip(files, guids):
        path, digest = file.get("path"), file.get("sha256")
        has_path = is_omitted(file, "path") or (isinstance(path, str) and path.startswith("/"))
        if file.get("failed") or not has_path:
            raise invalid_result(f"it says that all is well, without the path of the file of {guid}")
        # A file that is kept as it is (overwrite=never) may not have been read.
        may_lack_digest = is_omitted(file, "sha256") or (file.get("reason") == "kept" and digest is None)
        if not may_lack_digest and not is_sha256(str(digest)):
            raise invalid_result(f"it says that all is well, without the SHA-256 of the file of {guid}")


def _is(value: t.Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind in ("bool", "flag", "raw") or not isinstance(value, bool))


def _clean_value(value: t.Any, key: str, items: t.Iterator[int], depth: int = 0) -> t.Any:
    """Return a clean copy of a value of a result. Raises StorwareError for too much of it, or no JSON.

    key: name of the value. items: counts the values of the whole result.
    """
    if next(items) > MOST_ITEMS or depth > _MOST_DEPTH:
        raise invalid_result(_TOO_LARGE)
    if value is None or isinstance(value, (bool, int, float, enum.Enum, type)):
        return value  # types of exceptions: ansible-core 2.19 and later add them to the messages
    if isinstance(value, str):
        # Ansible's own messages have several lines.
        return clean_text(" ".join(value.split()) if key == "msg" else value, lines=key in _LINES)
    if isinstance(value, dict):
        return {clean_text(str(k)): _clean_value(item, str(k), items, depth + 1) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        found = [_clean_value(item, key, items, depth + 1) for item in value]
        return found if isinstance(value, list) else tuple(found)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):  # a message of ansible-core 2.19 and later
        names = [field.name for field in dataclasses.fields(value)]
        clean = {name: _clean_value(getattr(value, name), name, items, depth + 1) for name in names}
        return dataclasses.replace(value, **clean)
    raise invalid_result(f"{key} is no JSON")
