# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of files as Ansible understands them; nothing is set here."""

from __future__ import annotations

import stat
import types
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils._runner import Context, _mode

NOW: t.Final = "unconfined_u:object_r:user_tmp_t:s0:c1"
USUAL: t.Final = ["system_u", "object_r", "var_t", "s0"]


@pytest.mark.parametrize(
    ("asked", "now", "bits"),
    [
        ("0640", 0o600, 0o640),
        (0o640, 0o600, 0o640),
        ("u=rw,g=r,o=", 0o777, 0o640),
        ("g+r", 0o600, 0o640),
        ("a+X", 0o600, 0o600),
        ("o=u", 0o600, 0o606),
    ],
)
def test_modes(asked: t.Any, now: int, bits: int) -> None:
    assert _mode(asked, stat.S_IFREG | now) == bits


@pytest.mark.parametrize(
    ("asked", "is_new", "is_special", "label"),
    [
        ({}, False, False, NOW),
        ({}, True, False, ":".join(USUAL)),
        ({}, True, True, "system_u:object_r:nfs_t:s0"),
        ({"setype": "mail_t"}, False, False, "unconfined_u:object_r:mail_t:s0:c1"),
        ({"setype": "mail_t"}, True, False, "unconfined_u:object_r:mail_t:s0:c1"),
        ({"setype": "_default", "selevel": "s1"}, False, False, "unconfined_u:object_r:var_t:s1"),
    ],
)
def test_labels(asked: dict[str, str], is_new: bool, is_special: bool, label: str) -> None:
    module = types.SimpleNamespace(
        is_special_selinux_path=lambda path: (is_special, ["system_u", "object_r", "nfs_t", "s0"]),
        selinux_default_context=lambda path: USUAL,
    )
    context = Context.__new__(Context)
    context._module = t.cast(t.Any, module)
    context.params = {**dict.fromkeys(("seuser", "serole", "setype", "selevel")), **asked}
    assert context._label("/srv/mail.zip", NOW, is_new) == label
