# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the documentation of error codes from their registry: ``make error-codes``. Lint reports stale files.

RETURN blocks cannot use doc fragments, so that the block ``error`` of each module is written. The page
docs/troubleshooting.md has a row for each code that begins with its meaning; the rest of it is written by hand.
"""

from __future__ import annotations

import pathlib
import re
import sys
import textwrap
import typing as t

from tests.harness import tree

tree.make_importable()

from ansible_collections.storware.backup.plugins.module_utils._errors import CODES  # noqa: E402

AGAIN: t.Final = "run `make error-codes`."
PAGE: t.Final = tree.ROOT / "docs" / "troubleshooting.md"
MODULES: t.Final = tree.ROOT / "plugins" / "modules"
_WIDTH: t.Final = 155  # characters of a line; ansible-test allows 160
_BLOCK: t.Final = re.compile(r"^error:\n(?:[ ].*\n)+", re.MULTILINE)
_CHOICES: t.Final = re.compile(r"(?<=^    choices: )\[.*\]$", re.MULTILINE)
_ROW: t.Final = re.compile(r"^\| `(\w+)` \| (.*?) \| .* \|$", re.MULTILINE)
_TABLE: t.Final = re.compile(r"^\| code \| meaning \| next step \|\n(?:\|.*\n)+", re.MULTILINE)

_API: t.Final = CODES["forbidden"].modules
_FETCH: t.Final = CODES["unverified"].modules
_FILES: t.Final = CODES["locked"].modules


class Field(t.NamedTuple):
    """A field of the return value ``error``. modules: that return it, all where there are none."""

    name: str
    type: str
    description: str
    sample: str
    modules: tuple[str, ...] = ()


_FIELDS: t.Final = (
    Field("hint", "str", "Next step, or an empty text.", "Run the task again."),
    Field("retryable", "bool", "Whether the same task may succeed later.", "true"),
    Field("option", "str", "With V(invalid_option), the option that is wrong.", "guid", CODES["internal"].modules),
    Field("guids", "list", "With V(partial_failure), the downloads whose files are missing.", "[{guid}]", _FILES),
    Field("method", "str", "HTTP method of the request that failed.", "GET", _API),
    Field("path", "str", "Path of the request that failed, below the address of the API.", "/cloud-download", _API),
    Field("path", "str", "Path of the file.", "/srv/restore/alice.zip", CODES["no_receipt"].modules),
    Field("status", "int", "HTTP status of the response; V(null) when there was none.", "503", _API),
    Field(
        "server_message",
        "str",
        "Message of the server, shortened; V(null) when there was none.",
        "The service is starting",
        _API,
    ),
    Field(
        "answers",
        "dict",
        "With V(unexpected_content), the response of each address, by its name in O(source).",
        '{{download: "answered 404: not ready"}}',
        _FETCH,
    ),
    Field("bytes_kept", "int", "Bytes that are kept, from which the next task resumes.", "1048576", _FILES),
    Field("bytes_received", "int", "With V(transfer_interrupted), bytes of the last response.", "1048576", _FILES),
    Field(
        "expected",
        "raw",
        "With V(transfer_interrupted), the announced size in bytes; with another digest, the expected one.",
        "73400320",
        _FILES,
    ),
    Field(
        "cause",
        "str",
        "In C(files), the reason without the name of the file.",
        "no connection to https://backup.example.com:8181 (refused)",
        _FILES,
    ),
    Field(
        "advice",
        "str",
        "In C(files), the next step without what is true of this file only.",
        "Run the task again.",
        _FILES,
    ),
    Field("since", "str", "In C(files), the time of the failure.", '"2026-01-09T10:41:00Z"', _FILES),
    Field("algorithm", "str", "Algorithm of a digest.", "sha256", _FILES),
    Field("got", "str", "Digest of the content.", "{sha256}", _FILES),
    Field("needed", "int", "With V(disk_full), the bytes that the file needs, when that is known.", "73400320", _FILES),
    Field("free", "int", "With V(disk_full), the free bytes, when that is known.", "1048576", _FILES),
    Field(
        "errno",
        "str",
        "Name of the operating system's error.",
        "ENOSPC",
        tuple(name for name in CODES["file_system"].modules if name != "fetch_report"),
    ),
)
_SAMPLES: t.Final = {
    "guid": "f8f73bf9-2445-4bce-a7dd-753be3b40a67",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
}


def files() -> dict[pathlib.Path, str]:
    """The text that each module has to have."""
    return {path: _module(path) for path in sorted(MODULES.glob("[!_]*.py"))}


def _module(path: pathlib.Path) -> str:
    text = path.read_text(encoding="utf-8")
    block = _block(path.stem)
    if path.stem == "fail_with_code":
        text = _CHOICES.sub(lambda _old: f"[{', '.join(_codes(path.stem))}]", text, count=1)
    return _BLOCK.sub(lambda _old: block, text)


def _codes(module: str) -> list[str]:
    return [code for code, about in CODES.items() if module in about.modules]


def _block(module: str) -> str:
    lines = [
        "error:",
        "  description: The failure in a form for playbooks.",
        "  returned: failure",
        "  type: dict",
        "  contains:",
        "    code:",
        "      description:",
        "        - Error code, a constant that keeps its meaning.",
    ]
    for code in _codes(module):
        lines += _wrap(f"V({code}) - {CODES[code].meaning}")
    if module == "fail_with_code":
        lines += _wrap("With O(failure), the code of the earlier failure.")
    lines += ["      type: str", f"      sample: {_codes(module)[0]}"]
    for field in _FIELDS:
        if not field.modules or module in field.modules:
            lines += [f"    {field.name}:", f"      description: {field.description}", f"      type: {field.type}"]
            lines += ["      elements: str"] if field.type == "list" else []
            lines += [f"      sample: {field.sample.format(**_SAMPLES)}"]
    return "\n".join(lines) + "\n"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="        - ", subsequent_indent="          ")


def problems_of_page() -> list[str]:
    """A sentence for each code that the page lacks, has too many, or explains otherwise."""
    rows = [row for table in _TABLE.findall(PAGE.read_text(encoding="utf-8")) for row in _ROW.findall(table)]
    codes = [code for code, _meaning in rows]
    name = PAGE.relative_to(tree.ROOT)
    found = [f"{name}: the code {code} has no row: add one" for code in CODES if code not in codes]
    found += [f"{name}: {code} is not in CODES of _errors.py: add it there" for code in codes if code not in CODES]
    found += [f"{name}: the code {code} has several rows: keep one" for code in CODES if codes.count(code) > 1]
    return found + [
        f"{name}: the row of {code} has to begin with its meaning in CODES of _errors.py, {CODES[code].meaning!r}"
        for code, meaning in rows
        if code in CODES and not meaning.startswith(CODES[code].meaning)
    ]


def main() -> int:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
