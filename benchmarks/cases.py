# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared with what."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from benchmarks import clients
from benchmarks.clients import Client

MIB: t.Final = 1024 * 1024
GIB: t.Final = 1024 * MIB

# A link: what a window of 1 MiB, which many servers and middle boxes have, allows one connection.
DELAY: t.Final = 0.02  # seconds, there and back
RATE: t.Final = MIB / DELAY  # bytes per second of each connection


@dataclass(frozen=True)
class Sizes:
    """In bytes, but for many: how many small files."""

    one: int
    large: int
    small: int
    many: int
    link: int

    @classmethod
    def of(cls, one: int, many: int) -> Sizes:
        """All sizes by that of the one file."""
        return cls(one=one, large=3 * one, small=one // 128, many=many, link=one // 4)


@dataclass(frozen=True)
class Case:
    """One table.

    files: what is fetched, as ``Sizes`` names it, or list: that of the API, or batch: the small ones, and one as large
    as all of them. to_disk: not to memory. reference: the client that the others are compared with. over_link: through
    the link, not over the loopback device.
    """

    title: str
    scheme: str
    files: str
    to_disk: bool
    clients: tuple[Client, ...]
    reference: Client
    over_link: bool = False


_TO_MEMORY: t.Final = (
    clients.CURL,
    clients.OURS,
    clients.CURL_SUM,
    clients.ARIA2,
    clients.GET_URL,
    clients.GET_URL_CHECKSUM,
)
_TO_DISK: t.Final = (clients.CURL_SUM, clients.OURS, clients.CURL_SUM_SYNC, clients.CURL, clients.ARIA2)
_MANY: t.Final = (clients.CURL, clients.OURS_MANY, clients.CURL_EACH)
_LINK: t.Final = (clients.CURL, clients.OURS, clients.OURS_4, clients.ARIA2, clients.ARIA2_4)
_TASK: t.Final = (clients.GET_URL_CHECKSUM, clients.MODULE, clients.GET_URL)
_BATCH: t.Final = (clients.MODULE_WHOLE, clients.MODULE_MANY)
_LIST: t.Final = (clients.URI, clients.INFO)

CASES: t.Final[t.Mapping[str, Case]] = {
    "tmpfs-http": Case("One file over http to memory (tmpfs)", "http", "one", False, _TO_MEMORY, clients.CURL),
    "tmpfs-https": Case("One file over https to memory (tmpfs)", "https", "one", False, _TO_MEMORY, clients.CURL),
    "disk-http": Case("One file over http to disk", "http", "one", True, _TO_DISK, clients.CURL_SUM),
    "disk-https": Case("One file over https to disk", "https", "one", True, _TO_DISK, clients.CURL_SUM),
    "many": Case("Many small files over https to memory (tmpfs)", "https", "small", False, _MANY, clients.CURL),
    "link": Case(
        "One file over http and a link with 20 ms of delay and 50 MiB/s for each connection",
        "http",
        "link",
        False,
        _LINK,
        clients.CURL,
        over_link=True,
    ),
    "task": Case(
        "The whole task, Ansible's own start included, over https to disk",
        "https",
        "large",
        True,
        _TASK,
        clients.GET_URL_CHECKSUM,
    ),
    "batch": Case(
        "Many files in one task, beside one file that is as large, over https to disk",
        "https",
        "batch",
        True,
        _BATCH,
        clients.MODULE_WHOLE,
    ),
    "list": Case(
        "The list of downloads, Ansible's own start included, over https", "https", "list", True, _LIST, clients.URI
    ),
}

QUICK: t.Final = ("disk-https", "many", "link", "task", "batch", "list")  # every client and every way at least once
