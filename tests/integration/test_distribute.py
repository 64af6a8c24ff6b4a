# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host gets which download."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.storware.backup.plugins.filter.distribute import FilterModule

HOSTS = ["files-1", "files-2", "files-3"]
Record = dict[str, t.Any]

distribute = FilterModule().filters()["distribute"]


def _downloads(*sizes: int | None) -> list[Record]:
    return [
        {"guid": f"guid-{number:04}", "backup": None if size is None else {"size": size}}
        for number, size in enumerate(sizes)
    ]


def _load(downloads: list[Record]) -> int:
    return sum(download["backup"]["size"] for download in downloads)


def test_each_download_goes_to_one_host_and_all_get_about_as_much() -> None:
    numbers = random.Random(5)
    downloads = _downloads(*(int(2 ** numbers.uniform(20, 32)) for _number in range(300)))
    shares = distribute(downloads, HOSTS)
    assert list(shares) == HOSTS
    given = sorted(download["guid"] for share in shares.values() for download in share)
    assert given == sorted(download["guid"] for download in downloads)
    loads = [_load(share) for share in shares.values()]
    assert max(loads) < 1.01 * min(loads)


def test_a_large_one_is_made_up_for() -> None:
    shares = distribute(_downloads(1, 1, 10, 1, 1), ["a", "b"])
    assert sorted(map(len, shares.values())) == [1, 4]


def test_the_order_of_downloads_and_hosts_does_not_matter() -> None:
    """Or a second run would bring files to other hosts."""
    downloads = _downloads(5, 5, 5, None, 7, 1, None)
    expected = distribute(downloads, HOSTS)
    assert distribute(downloads[::-1], HOSTS[::-1]) == expected


@pytest.mark.parametrize("downloads", [_downloads(*[None] * 9), [{"guid": str(number)} for number in range(9)]])
def test_without_sizes_all_get_as_many(downloads: list[Record]) -> None:
    assert [len(share) for share in distribute(downloads, HOSTS).values()] == [3, 3, 3]


def test_one_without_a_size_counts_as_the_others() -> None:
    shares = distribute(_downloads(100, 100, None, None), ["a", "b"])
    assert [len(share) for share in shares.values()] == [2, 2]


def test_those_that_check_mode_would_create_are_spread_too() -> None:
    downloads = [{"guid": None, "protected_entity": {"guid": name}} for name in "abc"]
    assert [len(share) for share in distribute(downloads, HOSTS).values()] == [1, 1, 1]
    assert distribute(downloads[::-1], HOSTS) == distribute(downloads, HOSTS)


def test_more_hosts_than_downloads() -> None:
    assert [len(share) for share in distribute(_downloads(1), HOSTS).values()] == [1, 0, 0]


def test_without_hosts() -> None:
    with pytest.raises(AnsibleFilterError, match="hosts is empty"):
        distribute(_downloads(1), [])
