# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line charts as SVG: axes from zero, round ticks, and colors for light and dark pages."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

_WIDTH: t.Final = 400
_LEFT, _RIGHT, _TOP, _BELOW = 56, 28, 40, 34  # around the lines of a panel
_PANEL: t.Final = 120  # height of its lines
_MOST_TICKS: t.Final = 5

_STYLE: t.Final = """<style>
.bg{fill:#f5f8fa}.grid{stroke:#c9d5dc}.axis{stroke:#5f7d90}
.line{stroke:#0b5f86;stroke-width:2.5;fill:none}.dot{fill:#0b5f86}
.t{font:600 14px system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:#12232e}
.s{font:12px system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:#33474f}
@media (prefers-color-scheme:dark){.bg{fill:#1a2328}.grid{stroke:#3d4c55}.axis{stroke:#8fb0c2}
.line{stroke:#7cc7e8}.dot{fill:#7cc7e8}
.t{fill:#eef5f8}.s{fill:#c5d4dc}}
</style>"""


@dataclass(frozen=True)
class Panel:
    """One quantity over the common horizontal axis. form: of the labels of its ticks."""

    title: str
    values: t.Sequence[float]
    form: str = "{:,.0f}"


def chart(label: str, across: str, places: t.Sequence[float], panels: t.Sequence[Panel]) -> str:
    """An SVG of panels one above the other.

    Args:
        label: Description for readers who do not see it.
        across: Name of the horizontal axis.
        places: Horizontal positions of the values, ascending.
        panels: What is drawn over them.
    """
    high = _TOP + _PANEL + _BELOW
    height = len(panels) * high + 20
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">',
        _STYLE,
        f'<rect class="bg" width="{_WIDTH}" height="{height}" rx="8"/>',
    ]
    for number, panel in enumerate(panels):
        lines += _panel(panel, places, number * high + _TOP)
    lines.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, height - 14, across, "middle"))
    return "\n".join([*lines, "</svg>", ""])


def ticks(largest: float) -> list[float]:
    """Round numbers from zero up to the first that is not below the largest value, in steps of 1, 2 or 5 times ten."""
    power = 10 ** math.floor(math.log10(largest / _MOST_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if largest <= power * factor * _MOST_TICKS)
    return [step * number for number in range(math.ceil(largest / step) + 1)]


def _panel(panel: Panel, places: t.Sequence[float], top: int) -> t.Iterator[str]:
    downwards, across = ticks(max(panel.values)), ticks(max(places))
    bottom, right = top + _PANEL, _WIDTH - _RIGHT

    def x(value: float) -> float:
        return round(_LEFT + (right - _LEFT) * value / across[-1], 1)

    def y(value: float) -> float:
        return round(bottom - _PANEL * value / downwards[-1], 1)

    yield f'<text class="t" x="{_LEFT}" y="{top - 14}">{panel.title}</text>'
    for tick in downwards:
        yield f'<path class="grid" d="M{_LEFT} {y(tick)}H{right}"/>'
        yield _text(_LEFT - 8, y(tick) + 4, panel.form.format(tick), "end")
    for tick in across:
        yield f'<path class="axis" d="M{x(tick)} {bottom}v5"/>'
        yield _text(x(tick), bottom + 19, f"{tick:,.0f}", "middle")
    yield f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>'
    points = [(x(place), y(value)) for place, value in zip(places, panel.values, strict=True)]
    yield f'<path class="line" d="M{" ".join(f"{left} {down}" for left, down in points)}"/>'
    yield from (f'<circle class="dot" cx="{left}" cy="{down}" r="3.5"/>' for left, down in points)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text class="s" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'
