# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusal of facts as options of the role: any module of a play can return some, and a fact cache keeps them."""

from __future__ import annotations

import re
import typing as t

from ..module_utils._errors import OptionError

ROLE: t.Final = "storware.backup.fetch_content"
GROUP: t.Final = "storware.backup.storware"  # of actions, for which plays set module_defaults
PREFIXES: t.Final = ("fetch_content_", "_fetch_content_")  # of the role's options and of its state
CONNECTION: t.Final = ("fetch_content_connection",)


def refuse_variables_of_the_role(
    task_vars: t.Mapping[str, t.Any], hosts: t.Iterable[str], prefixes: tuple[str, ...] = PREFIXES
) -> None:
    """Raise OptionError where facts of one of these hosts would be taken for the role's variables.

    Ansible prefers facts to the role's defaults and to the inventory. prefixes: of the variables that matter.
    """
    for host in hosts:
        for name in variables_of_the_role(task_vars, host, prefixes)[:1]:
            raise OptionError(
                name,
                f"comes from the facts of {host}, and no host may set it",
                hint="Find the module that returned it. A fact cache keeps it until --flush-cache.",
            )


def variables_of_the_role(
    task_vars: t.Mapping[str, t.Any], host: str, prefixes: tuple[str, ...] = PREFIXES
) -> list[str]:
    """Return the names in the facts of this host that would be taken for the role's variables, printable."""
    # As they are: templating all facts of all hosts would take long.
    facts = task_vars["hostvars"].raw_get(host).get("ansible_facts") or {}
    return [re.sub("[^!-~]", "?", str(name)[:80]) for name in facts if str(name).startswith(prefixes)]
