# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the documentation site: ``make docs``."""

project = html_title = "storware.backup"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": False, "vcs_pageview_mode": ""}
highlight_language = "YAML+Jinja"
default_role = "any"
myst_heading_anchors = 3
# Built without a network: pages of Ansible's own documentation are not looked up.
intersphinx_mapping = {}
suppress_warnings = ["ref.ref"]
