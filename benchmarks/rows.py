# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the summary and the reports of a run cost on the controller, beside the templates that made them before."""

from __future__ import annotations

import pathlib
import resource
import statistics
import time
import typing as t
from dataclasses import dataclass

from tests.harness import tree
from tests.support.ansible import Ansible

tree.make_importable()

from ansible_collections.storware.backup.plugins.plugin_utils import (  # noqa: E402
    _report,
    _report_html,
    _report_rows,
    _summary,
)
from ansible_collections.storware.backup.plugins.plugin_utils._play import Play  # noqa: E402

Json = t.Any

HOSTS: t.Final = 50
SIZES: t.Final = (480, 15_000)
# Of the templates rows.j2 and summary.j2, which version 1.0.0 never had: 480 rows in 6.5 seconds of the controller.
TEMPLATES: t.Final = 6.5 / 480
_ROUNDS: t.Final = 3
_TIME: t.Final = "2026-01-09T10:00:00Z"


@dataclass(frozen=True)
class Cost:
    """Seconds for that many rows. plugin: rows, summary and three reports. task: CPU of Ansible for the whole task."""

    rows: int
    plugin: float
    task: float

    @property
    def templates(self) -> float:
        """Seconds that the templates would take, without any report."""
        return self.rows * TEMPLATES


def measure(rows: int, work: pathlib.Path) -> Cost:
    """Return medians over some rounds. Raises AssertionError where a result is wrong."""
    variables = _variables(rows)
    plugin = statistics.median(_of_plugin(rows, variables) for _round in range(_ROUNDS))
    inventory = {"all": {"hosts": variables, "vars": {"ansible_connection": "local"}}}
    paths = [str(work / f"report.{kind}") for kind in ("json", "csv", "html")]
    report: Json = {"storware.backup.fetch_report": {"path": paths}, "run_once": True}
    without: Json = {"ansible.builtin.debug": {"msg": ""}, "run_once": True}
    ansible = Ansible(work)
    tasks = [_of_play(ansible, report, inventory) - _of_play(ansible, without, inventory) for _round in range(_ROUNDS)]
    assert (work / "report.csv").read_text(encoding="utf-8").count("\n") == rows + 1
    return Cost(rows, plugin, statistics.median(tasks))


def table(costs: t.Sequence[Cost]) -> str:
    """Return the table for readers."""
    lines = [
        "| rows | rows, summary and reports | the whole task | by templates, 13.5 ms a row | task / templates |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {cost.rows:,} | {cost.plugin:.2f} s | {cost.task:.2f} s | {cost.templates:.1f} s | "
        f"{cost.task / cost.templates:.3f} |"
        for cost in costs
    ]
    return "\n".join(lines)


def _of_plugin(rows: int, variables: t.Mapping[str, Json]) -> float:
    start = time.process_time()
    hosts = list(variables)
    found = _report_rows.build_rows(Play(hosts, hosts, hosts[0], variables))
    _summary.summarize(found, [], detailed=False)
    report = _report.Report("case 17", "https://backup.example.com:8181", _TIME, _TIME, found)
    for render in (_report.render_json, _report.render_csv, _report_html.render):
        assert len(render(report)) > rows
    assert len(found) == rows
    return time.process_time() - start


def _of_play(ansible: Ansible, task: Json, inventory: Json) -> float:
    start = _cpu()
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    # Without the callback by which tests read results: it writes all rows once more.
    ansible.playbook([play], inventory=inventory, environment={"ANSIBLE_CALLBACKS_ENABLED": ""}).ok()
    return _cpu() - start


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _variables(rows: int) -> dict[str, dict[str, Json]]:
    """Return the state of hosts that have fetched so many files together."""
    names = [f"files-{number}" for number in range(HOSTS)]
    everything = [_download(number) for number in range(rows)]
    hosts = {}
    for index, host in enumerate(names):
        own = everything[index::HOSTS]
        hosts[host] = {
            "_fetch_content_options": {"use": "u", "request_id": "r", "via": "direct", "started": _TIME},
            "_fetch_content_common": {"requests": dict.fromkeys(names, "r"), "run": "r"},
            "_fetch_content_asker": names[0],
            "_fetch_content_transfers": {"run": "r", "downloads": own, "fetch": own, "from_server": True},
            "_fetch_content_fetched": {"changed": True, "files": [_file(download["guid"]) for download in own]},
        }
    return hosts


def _download(number: int) -> Json:
    entity = {"guid": f"{number:08}-0000-4000-8000-000000000000", "name": f"User {number}", "type": "CLOUD_USER"}
    guid = f"{number:08}-1111-4111-8111-111111111111"
    return {"guid": guid, "protected_entity": entity, "backup": {"backup_time": _TIME}}


def _file(guid: str) -> Json:
    path = f"/srv/restore/{guid}@example.com-2026-01-09.zip"
    numbers = {"size": 2**30, "entries": 1200, "unpacked_size": 2**31, "seconds": 12.5}
    return {
        "guid": guid,
        "reason": "missing",
        "path": path,
        "sha256": f"{guid[:8]:0>64}",
        "verified": "structure",
        **numbers,
    }
