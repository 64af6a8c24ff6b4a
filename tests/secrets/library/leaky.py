# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that leaks its secret on purpose: what finds no leak here would find none anywhere."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule

Leak = t.Callable[[AnsibleModule, str], t.Any]
_LONG_ENOUGH_TO_SEE = "0.5"  # seconds


def _raise(module: AnsibleModule, secret: str) -> None:
    raise RuntimeError(f"cannot log in with {secret}")


def _fail_with_exception(module: AnsibleModule, secret: str) -> None:
    try:
        _raise(module, secret)
    except RuntimeError as error:
        module.fail_json(msg="it failed", exception=error)


def _stderr(module: AnsibleModule, secret: str) -> None:
    print(urllib.parse.quote(secret, safe=""), file=sys.stderr)
    sys.exit("no JSON")


def _temporary_file(module: AnsibleModule, secret: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False, encoding="utf-8") as file:
        file.write(secret)


def _name_of_a_file(module: AnsibleModule, secret: str) -> None:
    pathlib.Path(tempfile.gettempdir(), urllib.parse.quote(secret, safe="")).touch()


def _process_title(module: AnsibleModule, secret: str) -> None:
    # Two commands, or the shell would give its place to the first.
    subprocess.run(["sh", "-c", f"sleep {_LONG_ENOUGH_TO_SEE}; true", "login", secret], check=True)


def _environment_of_a_child(module: AnsibleModule, secret: str) -> None:
    subprocess.run(["sleep", _LONG_ENOUGH_TO_SEE], env={**os.environ, "PASSWORD": secret}, check=True)


def _fail(form: t.Callable[[str], str]) -> Leak:
    return lambda module, secret: module.fail_json(msg=f"the server said {form(secret)}")


LEAKS: dict[str, Leak] = {
    "uncaught exception": _raise,
    "warning": lambda module, secret: module.warn(f"wrong password {secret}"),
    "deprecation": lambda module, secret: module.deprecate(
        f"wrong password {secret}", version="99.0.0", collection_name="storware.backup"
    ),
    "exception object": _fail_with_exception,
    "url-quoted": _fail(lambda secret: urllib.parse.quote(secret, safe="")),
    "url-quoted with plus": _fail(urllib.parse.quote_plus),
    "JSON-escaped": _fail(json.dumps),
    "repr": _fail(repr),
    "base64": _fail(lambda secret: base64.b64encode(secret.encode()).decode()),
    "base64 with user": _fail(lambda secret: base64.b64encode(f"king:{secret}".encode()).decode()),
    "hex": _fail(lambda secret: secret.encode().hex()),
    "cookie": _fail(lambda secret: f"SESSION={module_cookie(secret)}"),
    "key of a dict": lambda module, secret: module.exit_json(answer={secret: 1}),
    "diff": lambda module, secret: module.exit_json(changed=True, diff={"before": repr(secret), "after": ""}),
    "stderr": _stderr,
    "system log": lambda module, secret: module.log(repr(secret)),
    "temporary file": _temporary_file,
    "name of a file": _name_of_a_file,
    "process title": _process_title,
    "environment of a child": _environment_of_a_child,
    "nothing": lambda module, secret: module.exit_json(answer=f"Ansible itself masks {secret}"),
}


def module_cookie(secret: str) -> str:
    """A session's cookie: nobody was told that it is a secret."""
    return "".join(character for character in secret if character.isalnum())


def main() -> None:
    """Leak in one way."""
    module = AnsibleModule({"secret": {"type": "str", "no_log": True}, "leak": {"type": "str", "choices": list(LEAKS)}})
    LEAKS[module.params["leak"]](module, module.params["secret"])
    module.exit_json()


if __name__ == "__main__":
    main()
