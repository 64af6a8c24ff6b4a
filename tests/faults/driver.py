# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fetch in a process of its own: the engine and the collection's own client, joined as the module joins them.

Plain Python without Ansible, so that it starts fast enough to be run thousands of times, under strace or with any
client library: ``python -m tests.faults.driver '{"urls": ["http://127.0.0.1:8000/file"], "dest": "/tmp/x"}'``.
Prints one JSON object; the exit status is 0 for success and 1 for a failure that the engine tells.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import typing as t
import urllib.parse

from tests.harness import tree

tree.make_importable()

from ansible_collections.storware.backup.plugins.module_utils._api.client import Client  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._api.errors import ApiError  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._argspec import Connection  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._errors import StorwareError  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._signals import Signals  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._steps import advance, complete  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._transfer import download, inspection  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._transfer.http.body import (  # noqa: E402
    Opener,
    Response,
    UnexpectedContent,
)
from ansible_collections.storware.backup.plugins.module_utils._transfer.limits import LimitSettings  # noqa: E402
from ansible_collections.storware.backup.plugins.module_utils._transfer.verification import Checksum  # noqa: E402

GUID: t.Final = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"


def fetch(order: dict[str, t.Any]) -> dict[str, t.Any]:
    """Do what an order says and tell how it went.

    order: urls and dest; optional: guid, ca_path, use_proxy, timeout (seconds), tries (of one request), limits (fields
    of ``LimitSettings``), checksum, reuse (of idle connections), and the fields of ``Job`` that are plain values.
    """
    clients = [_client(url, order) for url in order["urls"]]
    try:
        job = _job(order, clients)
        with inspection.inspect(job) as finding:
            if not finding.needs_content:
                download.remove_stale(job, finding)
                file = inspection.describe(job, finding)
                download.remove_stale(job, finding)
                return {"ok": True, "reason": finding.reason, **dataclasses.asdict(file)}
            outcome = complete(advance(download.fetch(job, finding)))
            return {
                "ok": True,
                "reason": finding.reason,
                "seconds": outcome.seconds,
                "source": outcome.source,
                **dataclasses.asdict(outcome.file),
            }
    except StorwareError as error:
        told = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
        return {"ok": False, **told}
    finally:
        for client in clients:
            client.close()


def _job(order: dict[str, t.Any], clients: t.Sequence[Client]) -> inspection.Job:
    guid = order.get("guid", GUID)
    plain = ("level", "overwrite", "allow_unverified", "tmp_dest", "connections")
    return inspection.Job(
        guid=guid,
        dest=order["dest"],
        identity=f"server {guid}",
        openers=[
            (str(number), _opener(client, urllib.parse.urlsplit(url).path, reuse=order.get("reuse", True)))
            for number, (client, url) in enumerate(zip(clients, order["urls"]), 1)  # also for Python 3.9
        ],
        checksum=Checksum.parse(order["checksum"]) if order.get("checksum") else None,
        limit_settings=LimitSettings(**order.get("limits", {})),
        **{name: order[name] for name in plain if name in order},
    )


def _client(url: str, order: dict[str, t.Any]) -> Client:
    parts = urllib.parse.urlsplit(url)
    connection = Connection(
        url=f"{parts.scheme}://{parts.netloc}",
        username=None,
        password=None,
        token=None,
        session="SESSION=1",  # there is no login on a server of scripts
        validate_certs=True,
        ca_path=order.get("ca_path"),
        client_cert=None,
        client_key=None,
        use_proxy=order.get("use_proxy", False),
        timeout=order.get("timeout", 5.0),
        retries=order.get("tries", 2),
    )
    return Client(connection)


def _opener(client: Client, path: str, *, reuse: bool) -> Opener:
    def open_content(headers: t.Mapping[str, str], deadline: float | None) -> Response:
        if not reuse:
            client.close_connections()
        try:
            return t.cast("Response", client.open(path, headers, "fetch the content", deadline))
        except ApiError as error:
            if not 400 <= (error.status or 0) < 500 or error.status in (401, 403, 408, 429):
                raise
            raise UnexpectedContent(f"answered {error.status}", status=error.status) from error

    return open_content


def _peak() -> float:
    """The largest memory this process has had, in MiB."""
    # Not getrusage: its number starts with the memory of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def expect_signals() -> None:
    """Let the first signal end the fetch in order."""
    Signals()


def main() -> int:
    """Fetch as the first argument says. Signals are the caller's affair."""
    result = fetch(json.loads(sys.argv[1]))
    print(json.dumps({**result, "peak_mib": _peak()}), flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    expect_signals()
    sys.exit(main())
