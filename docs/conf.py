# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the documentation site: ``make docs``. Pages load no fonts and scripts from other servers."""

project = html_title = "storware.backup"
copyright = "2026, the storware.backup authors"
extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinx_copybutton"]
html_theme = "furo"
html_theme_options = {
    # The bar at the top; _templates/page.html has its links
    "announcement": project,
    "light_css_variables": {"color-brand-primary": "#0b5f86", "color-brand-content": "#0b5f86"},
    "dark_css_variables": {"color-brand-primary": "#7cc7e8", "color-brand-content": "#7cc7e8"},
}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
antsibull_ext_color_scheme = "none"  # site.css has colors for light and dark pages
highlight_language = "YAML+Jinja"
copybutton_exclude = ".linenos, .gp, .go"
default_role = "any"
exclude_patterns = ["docsite"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Built without a network: pages of Ansible's own documentation are not looked up.
intersphinx_mapping = {}
suppress_warnings = ["ref.ref"]
