# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of terminals in the documentation, each of a real run: docs/recording-NAME.svg.

``make bench ARGS=pictures`` writes them anew, and a test compares them with what the same runs print.
"""

from __future__ import annotations

import io
import pathlib
import re
import typing as t

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.harness import tree
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible
from tests.support.fleet import Fleet

_HOSTS: t.Final = ("files-1", "files-2")
_URL: t.Final = "https://backup.example.com:8181"
_COLLECTIONS: t.Final = "/home/you/.ansible/collections"
_COLUMNS: t.Final = 108
# No font of another server; colors that can be read on the dark ground
_FONTS: t.Final = "ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace"
_THEME: t.Final = TerminalTheme(
    (16, 24, 30),
    (222, 230, 235),
    [
        *((16, 24, 30), (255, 138, 128), (139, 213, 150), (240, 205, 110)),
        *((125, 190, 255), (214, 164, 240), (110, 215, 225), (222, 230, 235)),
    ],
)
_FORMAT: t.Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>
.{unique_id}-matrix {{ font-family: FONTS; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
""".replace("FONTS", _FONTS)


def path_of(name: str) -> pathlib.Path:
    """The picture of this name."""
    return tree.ROOT / "docs" / f"recording-{name}.svg"


def fetch(ansible: Ansible, simulator: Simulator, directory: pathlib.Path) -> str:
    """The output of a run that fetches two mailboxes to two hosts: changes, and the summary."""
    simulator.switch(content_size=200_000, queue_seconds=0, run_seconds=0)
    fleet = Fleet(ansible, simulator, directory, names=_HOSTS)
    run = fleet.mail("--forks=1", distribute=True, environment={**fleet.credentials(), **_QUIET}).ok()
    return f"$ ansible-playbook -i inventory.ini restore.yml\n{_without_places(run.stdout, simulator, directory)}"


def failure(ansible: Ansible, simulator: Simulator, directory: pathlib.Path) -> str:
    """The summary of a run in which one mailbox of two has no backup."""
    simulator.switch(content_size=200_000, queue_seconds=0, run_seconds=0)
    fleet = Fleet(ansible, simulator, directory, names=_HOSTS[:1])
    people = ["alice@example.com", "nobackup@example.com"]
    run = fleet.mail("--forks=1", people=people, backup="latest", environment={**fleet.credentials(), **_QUIET})
    assert run.rc != 0, run.output
    return f"$ ansible-playbook -i inventory.ini restore.yml\n{_without_places(run.stdout, simulator, directory)}"


RUNS: t.Final[dict[str, t.Callable[[Ansible, Simulator, pathlib.Path], str]]] = {
    "fetch": fetch,
    "failure": failure,
}
_QUIET: t.Final = {
    "ANSIBLE_DISPLAY_OK_HOSTS": "0",
    "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
    "ANSIBLE_NOCOLOR": "0",
    "ANSIBLE_FORCE_COLOR": "1",
}


def draw(output: str, name: str) -> str:
    """The picture of a terminal with this output, colors included."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(output.strip()), soft_wrap=False)
    return console.export_svg(
        title="ansible-playbook", theme=_THEME, code_format=_FORMAT, unique_id=f"recording-{name}"
    )


def _without_places(output: str, simulator: Simulator, directory: pathlib.Path) -> str:
    """The output as on any machine, without the counts at its end, and with lines of stars that fit."""
    output = output.partition("PLAY RECAP")[0]
    output = re.sub(rf"{re.escape(str(directory))}(?:/(?:{'|'.join(_HOSTS)}))?", "/srv/restore", output)
    output = output.replace(str(tree.link()), _COLLECTIONS)
    return re.sub(r"\*{4,}", "***", output.replace(simulator.url, _URL))
