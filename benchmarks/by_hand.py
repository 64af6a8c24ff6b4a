# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role beside the playbook that a user would write by hand, ``by_hand.yml``: 20 files to 3 hosts over SSH.

``python -m benchmarks.by_hand RESULT`` in namespaces of its own (``tests.lab.machine``) writes the costs of every run.
"""

from __future__ import annotations

import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass

from tests.harness import tree
from tests.lab import machine
from tests.lab.fleet import NAMES, Fleet
from tests.lab.network import CONTROLLER, Network
from tests.simulator.process import Simulator
from tests.support.ansible import Ansible, Run
from tests.support.use import content_calls, sha256

FILES: t.Final = 20
HAND: t.Final = "by hand"
DIRECT: t.Final = "the role, each host from the server"
RELAY: t.Final = "the role, by way of a relay"

_SIZE: t.Final = 4 * 2**20  # bytes of each file
_INTERVAL: t.Final = 5  # seconds between two looks at the server, for all of them
_ROUNDS: t.Final = 3
_PLAYBOOK: t.Final = tree.ROOT / "benchmarks" / "by_hand.yml"


@dataclass(frozen=True)
class Cost:
    """Of one run. calls: to the server, sent: of them, those for content. wall and cpu: seconds, of the controller."""

    calls: int
    sent: int
    wall: float
    cpu: float


def measure(work: pathlib.Path) -> dict[str, list[Cost]]:
    """The costs of every run by who did it. Raises RuntimeError where this machine cannot have such hosts."""
    reason = machine.provide(_install)
    if reason:
        raise RuntimeError(f"hosts over SSH: {reason}")
    with tempfile.TemporaryDirectory(dir=work) as directory:
        result = pathlib.Path(directory) / "costs.json"
        command = machine.inside(sys.executable, "-m", "benchmarks.by_hand", str(result))
        subprocess.run(command, cwd=tree.ROOT, check=True)
        told = json.loads(result.read_text(encoding="utf-8"))
    return {name: [Cost(**cost) for cost in costs] for name, costs in told.items()}


def table(costs: t.Mapping[str, t.Sequence[Cost]]) -> str:
    """Medians, and their ratios to those of the playbook by hand."""
    lines = ["| | calls to the server | files it sent | wall | CPU of the controller |", "|---|---:|---:|---:|---:|"]
    reference = _median(costs[HAND])
    for name, runs in costs.items():
        cost = _median(runs)
        wall, cpu = f"{cost.wall:.1f} s", f"{cost.cpu:.1f} s"
        if name != HAND:
            wall, cpu = f"{wall} ({cost.wall / reference.wall:.2f})", f"{cpu} ({cost.cpu / reference.cpu:.2f})"
        lines.append(f"| {name} | {cost.calls} | {cost.sent} | {wall} | {cpu} |")
    return "\n".join(lines)


def _install(*command: str, environment: t.Mapping[str, str]) -> None:
    subprocess.run(command, env=environment, check=True)


def _median(costs: t.Sequence[Cost]) -> Cost:
    def middle(figure: t.Callable[[Cost], float]) -> float:
        return statistics.median(map(figure, costs))

    calls, sent = middle(lambda cost: cost.calls), middle(lambda cost: cost.sent)
    return Cost(int(calls), int(sent), middle(lambda cost: cost.wall), middle(lambda cost: cost.cpu))


def _measured(directory: pathlib.Path) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {HAND: [], DIRECT: [], RELAY: []}
    network = Network(directory / "lab", NAMES)
    with Simulator.start(speed=1, address=CONTROLLER) as simulator:
        for number in range(_ROUNDS):
            names = list(found)
            for name in names[number % 3 :] + names[: number % 3]:
                home = directory / f"home-{number}-{len(found[name])}-{names.index(name)}"
                home.mkdir()
                found[name].append(_run(name, Fleet(Ansible(home), simulator, network, pipelining=False)))
    network.close()
    return found


def _run(name: str, fleet: Fleet) -> Cost:
    simulator = fleet.simulator
    simulator.reset(content_size=_SIZE, queue_seconds=2, run_seconds=10)
    simulator.seed(users=FILES)
    people = [user["email"] for user in simulator.entities("users") if user["email"].startswith("user-")][:FILES]
    simulator.clear_log()
    wall, cpu = time.monotonic(), _cpu()
    _RUNS[name](fleet, people).ok()
    wall, cpu = time.monotonic() - wall, _cpu() - cpu
    calls = len(simulator.requests())
    for host in fleet.network.hosts:
        found = {sha256(path) for path in (host.srv / "restore").glob("*.zip")}
        if found != fleet.expected():
            raise RuntimeError(f"{name}: {host.name} does not have the files of the server")
    fleet.clean()
    return Cost(calls, len(content_calls(simulator)), wall, cpu)


def _by_hand(fleet: Fleet, people: list[str]) -> Run:
    simulator = fleet.simulator
    variables = {
        "url": simulator.url,
        "username": simulator.username,
        "password": simulator.password,
        "ca_path": simulator.ca_path,
        "people": people,
        "interval": _INTERVAL,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    return fleet.ansible.playbook(
        _PLAYBOOK, inventory=fleet.inventory(), variables=variables, environment=fleet.environment()
    )


def _cpu() -> float:
    """Seconds of all processes that have been waited for: Ansible's, not those of hosts and server."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


_RUNS: t.Final[dict[str, t.Callable[[Fleet, list[str]], Run]]] = {
    HAND: _by_hand,
    DIRECT: lambda fleet, people: fleet.mail(people=people, wait_interval=_INTERVAL),
    RELAY: lambda fleet, people: fleet.mail(
        people=people, wait_interval=_INTERVAL, via="relay", relay_key="/home/ansible/.ssh/id"
    ),
}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        costs = _measured(pathlib.Path(place))
    text = json.dumps({name: [vars(cost) for cost in runs] for name, runs in costs.items()})
    pathlib.Path(sys.argv[1]).write_text(text, encoding="utf-8")
