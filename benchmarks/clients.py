# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines: ours, and what a user would pick instead."""

from __future__ import annotations

import json
import pathlib
import shlex
import sys
import typing as t
import uuid
from dataclasses import dataclass, field, replace

from benchmarks.content import Content
from benchmarks.server import GUID, GUID_OF_WHOLE, GUIDS_OF_SMALL
from tests.harness import tree

# Ansible's programs lie beside the venv's python, not beside what that is a link to.
_PROGRAMS: t.Final = pathlib.Path(sys.executable).parent


@dataclass(frozen=True)
class Fetch:
    """What a client shall do: bring each URL to its path, where its content is expected then."""

    files: t.Sequence[tuple[str, pathlib.Path, Content]]
    ca: pathlib.Path
    server: str  # its address

    @property
    def url(self) -> str:
        """Of the first, which mostly is the only one."""
        return self.files[0][0]

    @property
    def path(self) -> pathlib.Path:
        """Of the first."""
        return self.files[0][1]

    @property
    def content(self) -> Content:
        """Of the first."""
        return self.files[0][2]


@dataclass(frozen=True)
class Client:
    """needs: the program without which it is left out. fetches: which files of the case."""

    name: str
    command: t.Callable[[Fetch], t.Sequence[str]]
    needs: str = ""
    fetches: slice = field(default_factory=lambda: slice(None))


def environment(home: pathlib.Path, ca: pathlib.Path) -> dict[str, str]:
    """Nothing of this machine's settings. home: where Ansible's modules keep what is unfinished, too."""
    return {
        "PATH": f"{_PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "SSL_CERT_FILE": str(ca),  # get_url has no option for it
        "ANSIBLE_COLLECTIONS_PATH": str(tree.link()),
        "ANSIBLE_REMOTE_TMP": str(home / "remote-tmp"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }


def _order(fetch: Fetch, number: int = 0, **more: t.Any) -> dict[str, t.Any]:
    url, path, _content = fetch.files[number]
    return {
        "urls": [url],
        "dest": str(path),
        "ca_path": str(fetch.ca),
        "guid": str(uuid.UUID(int=number)),
        "timeout": 60,
        **more,
    }


def _ours(fetch: Fetch) -> t.Sequence[str]:
    return [sys.executable, "-m", "tests.faults.driver", json.dumps(_order(fetch))]


def _ours_parallel(fetch: Fetch) -> t.Sequence[str]:
    return [sys.executable, "-m", "tests.faults.driver", json.dumps(_order(fetch, connections=4))]


def _ours_many(fetch: Fetch) -> t.Sequence[str]:
    orders = [_order(fetch, number) for number in range(len(fetch.files))]
    return [sys.executable, "-m", "benchmarks.many", json.dumps(orders)]


def _curl(fetch: Fetch) -> t.Sequence[str]:
    """One process, and one connection, for all."""
    pairs = (word for url, path, _content in fetch.files for word in ("-o", str(path), url))
    return ["curl", "-sSf", "--cacert", str(fetch.ca), *pairs]


def _curl_each(fetch: Fetch) -> t.Sequence[str]:
    return _in_turn(_curl(replace(fetch, files=[file])) for file in fetch.files)


def _in_turn(commands: t.Iterable[t.Sequence[str]]) -> t.Sequence[str]:
    return ["sh", "-ec", "\n".join(shlex.join(command) for command in commands)]


def _curl_then(*after: str) -> t.Callable[[Fetch], t.Sequence[str]]:
    def command(fetch: Fetch) -> t.Sequence[str]:
        return _in_turn([_curl(fetch), *([program, str(fetch.path)] for program in after)])

    return command


def _aria2(connections: int) -> t.Callable[[Fetch], t.Sequence[str]]:
    def command(fetch: Fetch) -> t.Sequence[str]:
        usual = ["-q", "--no-conf", "--file-allocation=none", f"--ca-certificate={fetch.ca}"]
        many = [f"-x{connections}", f"-s{connections}"]
        return ["aria2c", *usual, *many, "-d", str(fetch.path.parent), "-o", fetch.path.name, fetch.url]

    return command


def _ansible(module: str, options: dict[str, t.Any]) -> t.Sequence[str]:
    # Extra vars win over everything: no interpreter has to be looked for.
    python = json.dumps({"ansible_python_interpreter": sys.executable})
    return [str(_PROGRAMS / "ansible"), "localhost", "-m", module, "-a", json.dumps(options), "-e", python]


def _get_url(fetch: Fetch, **more: str) -> t.Sequence[str]:
    options = {"url": fetch.url, "dest": str(fetch.path), "timeout": 60, **more}
    return _ansible("ansible.builtin.get_url", options)


def _get_url_checksum(fetch: Fetch) -> t.Sequence[str]:
    return _get_url(fetch, checksum=f"sha256:{fetch.content.sha256}")


def _module(fetch: Fetch) -> t.Sequence[str]:
    return _ansible(
        "storware.backup.cloud_download_content", _connection(fetch) | {"guid": GUID, "dest": str(fetch.path)}
    )


def _module_many(fetch: Fetch) -> t.Sequence[str]:
    guids = [GUIDS_OF_SMALL.format(number) for number in range(len(fetch.files))]
    options = {"guid": guids, "dest": f"{fetch.path.parent}/"}
    return _ansible("storware.backup.cloud_download_content", _connection(fetch) | options)


def _module_whole(fetch: Fetch) -> t.Sequence[str]:
    options = {"guid": GUID_OF_WHOLE, "dest": str(fetch.path)}
    return _ansible("storware.backup.cloud_download_content", _connection(fetch) | options)


def _uri(fetch: Fetch) -> t.Sequence[str]:
    options = {"url": f"{fetch.server}/api/cloud-download", "return_content": True, "ca_path": str(fetch.ca)}
    return _ansible("ansible.builtin.uri", options)


def _info(fetch: Fetch) -> t.Sequence[str]:
    return _ansible("storware.backup.cloud_download_info", _connection(fetch))


def _connection(fetch: Fetch) -> dict[str, t.Any]:
    return {
        "url": fetch.server,
        "username": "benchmark",
        "password": "of no use elsewhere",
        "ca_path": str(fetch.ca),
    }


OURS: t.Final = Client("ours", _ours)
OURS_4: t.Final = Client("ours, 4 connections", _ours_parallel)
OURS_MANY: t.Final = Client("ours, one process", _ours_many)
CURL: t.Final = Client("curl", _curl, "curl")
CURL_EACH: t.Final = Client("curl, one each", _curl_each, "curl")
CURL_SUM: t.Final = Client("curl, then sha256sum", _curl_then("sha256sum"), "curl")
CURL_SUM_SYNC: t.Final = Client("curl, then sha256sum, then sync", _curl_then("sha256sum", "sync"), "curl")
ARIA2: t.Final = Client("aria2c", _aria2(1), "aria2c")
ARIA2_4: t.Final = Client("aria2c, 4 connections", _aria2(4), "aria2c")
GET_URL: t.Final = Client("get_url", _get_url)
GET_URL_CHECKSUM: t.Final = Client("get_url with checksum", _get_url_checksum)
MODULE: t.Final = Client("cloud_download_content", _module)
MODULE_MANY: t.Final = Client("cloud_download_content, many files", _module_many, fetches=slice(-1))
MODULE_WHOLE: t.Final = Client("cloud_download_content, one file", _module_whole, fetches=slice(-1, None))
URI: t.Final = Client("uri", _uri)
INFO: t.Final = Client("cloud_download_info", _info)
