# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemathesis reads openapi.yaml and throws at the simulator what a person would not think of.

It holds for every answer: no 5xx, only statuses, media types, headers and bodies of the document; what it forbids is
refused, what it allows is accepted. SIMULATOR_FUZZ_EXAMPLES (default 25) sets how many generated cases each operation
gets besides the systematic ones.
"""

from __future__ import annotations

import os
import typing as t

import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.contract.client import Client
from tests.simulator import inventory, lists
from tests.simulator.process import Simulator
from tests.simulator.validation import load_spec

EXAMPLES = int(os.environ.get("SIMULATOR_FUZZ_EXAMPLES", "25"))
ORDERS = {
    "/cloud-download": lists.MOUNT_ORDER,
    "/mounted-backups": lists.MOUNT_ORDER,
    "/tasks": lists.TASK_ORDER,
    "/backups": lists.BACKUP_ORDER,
    "/cloud-users": lists.ENTITY_ORDER,
    "/cloud-sites": lists.ENTITY_ORDER,
    "/cloud-groups": lists.ENTITY_ORDER,
    "/nodes": lists.NODE_ORDER,
}
# What no schema can say may be refused: wrong credentials, the backup of another entity, a range behind the end
REFUSED_FOR_OTHER_REASONS = ("login", "loginWithToken", "createCloudDownloads", "getCloudDownload", "contentDownload")


def narrowed_spec() -> dict[str, t.Any]:
    """openapi.yaml as the simulator has it by default: without what its switches would allow instead."""
    spec = load_spec()
    del spec["security"]  # the session is held by the test
    schemas = spec["components"]["schemas"]
    entities = inventory.default_entities()
    known = [entity.guid for entity in entities] + [backup.guid for backup in entities[0].backups]
    known += [node.guid for node in inventory.NODES]
    schemas["Reference"]["properties"]["guid"] = {"enum": known, "type": "string"}
    for path, keys in ORDERS.items():
        order = {"name": "orderBy", "in": "query", "schema": {"type": "string", "enum": ["", *keys]}}
        parameters = spec["paths"][path]["get"]["parameters"]
        parameters[:] = [part for part in parameters if not names_order(part)] + [order]
    return spec


def names_order(parameter: dict[str, t.Any]) -> bool:
    return str(parameter.get("name", parameter.get("$ref", ""))).endswith("orderBy")


schema = schemathesis.openapi.from_dict(narrowed_spec())


@pytest.fixture(scope="module")
def target() -> t.Iterator[Client]:
    """A simulator with something of everything, whose clock stands still between the calls."""
    with Simulator.start(speed=0, http=True, validate=False, session_timeout=1e9, content_size=1000) as sim:
        client = Client(sim)
        sim.seed(downloads=200, content_size=1000)
        yield client
        assert sim.stderr() == ""


def aim(case: schemathesis.Case[t.Any], client: Client) -> None:
    """Let every other case with a good guid mean something that exists."""
    guid = case.path_parameters.get("guid") if isinstance(case.path_parameters, dict) else None
    if not isinstance(guid, str) or len(guid) != 36 or guid[-1] not in "01234567":
        return
    things = client.get("/tasks" if case.path.startswith("/tasks") else "/mounted-backups").json()
    if things:
        case.path_parameters["guid"] = things[int(guid[-1], 8) % len(things)]["guid"]


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SIMULATOR_FUZZ_EXAMPLES" not in os.environ,  # by default the same cases in every run
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_operation(case: schemathesis.Case[t.Any], target: Client) -> None:
    aim(case, target)
    operation = case.operation.definition.raw["operationId"]
    case.call_and_validate(
        base_url=f"{target.sim.url}/api",
        session=target.session,
        excluded_checks=[positive_data_acceptance] if operation in REFUSED_FOR_OTHER_REASONS else [],
    )
    if operation == "logout":
        target.login()
    target.sim.step(1)
