# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text in a file of the controller that only its user can read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: private_file
short_description: Write a text to a file on the controller that only its user can read
version_added: 1.0.0
author:
  - The storware.backup authors (@storware-backup)
description:
  - Writes a file of mode C(0600) in one step, in the place of whatever has its name, and returns its path.
  - Unlike M(ansible.builtin.template) and M(ansible.builtin.copy), it inherits neither owner nor mode from a file that is there, and neither waits for
    a FIFO nor follows a symbolic link. Other users of the controller can have made all of these where they can write.
  - Up to ansible-core 2.18, Ansible templates what is given to a lookup once more. Give it the result of another lookup, which is left as it is, or
    a text of your own, and never one that a server or a host has said.
  - The role P(storware.backup.fetch_content#role) writes its reports with it. It writes in check mode as well, as every lookup runs then.
options:
  _terms:
    description: Path of the file, which is absolute, and its text. The directory must exist.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Write a page that names people, from a template
  ansible.builtin.debug:
    msg: "{{ lookup('storware.backup.private_file', '/srv/reports/files.txt',
      lookup('ansible.builtin.template', 'files.txt.j2', convert_data=false)) }}"
"""

RETURN = r"""
_raw:
  description: Path of the file.
  type: list
  elements: str
  sample: [/srv/reports/files.json]
"""

import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils import _private


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core has no type stubs
    """See DOCUMENTATION."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **_options: t.Any) -> list[str]:
        """Write the text, and return the path."""
        if len(terms) != 2 or not os.path.isabs(str(terms[0])):
            raise AnsibleLookupError("private_file takes an absolute path and a text")
        path, text = map(str, terms)
        directory, name = os.path.split(path)
        try:
            place = _private.open_directory(directory)
            try:
                _private.replace_file(name, place, text.encode("utf-8"))
            finally:
                os.close(place)
        except OSError as error:
            raise AnsibleLookupError(f"Cannot write {path}: {error}") from error
        return [path]
