# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution of things among hosts, so that all hosts get about as much. Pure."""

from __future__ import annotations

import heapq
import typing as t


def distribute(
    sizes: t.Mapping[str, int | None], hosts: t.Iterable[str], places: t.Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the names of the things of each host; the result depends on no order.

    Args:
        sizes: of each thing, by name. One of unknown size, None or 0, counts as the average of the others.
        hosts: names of at least one host.
        places: the host of each thing that has one already, if it is one of these hosts.
    """
    known = [size for size in sizes.values() if size]
    usual = sum(known) / len(known) if known else 1.0
    shares: dict[str, list[str]] = {host: [] for host in sorted(hosts)}
    loads = dict.fromkeys(shares, 0.0)
    for name, place in sorted(places.items()):
        if name in sizes and place in shares:
            shares[place].append(name)
            loads[place] += sizes[name] or usual
    left = sizes.keys() - {name for share in shares.values() for name in share}
    # The host that has least, then fewest, then the first one
    waiting = [(loads[host], len(share), host) for host, share in shares.items()]
    heapq.heapify(waiting)
    for name in sorted(left, key=lambda name: (-(sizes[name] or usual), name)):
        load, number, host = waiting[0]
        shares[host].append(name)
        heapq.heapreplace(waiting, (load + (sizes[name] or usual), number + 1, host))
    return shares
