# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two servers in one process: the API side, with TLS or without, and the control side."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import pathlib
import signal
import socket
import typing as t
from dataclasses import asdict, dataclass

import uvicorn

from tests.simulator import app, control
from tests.simulator.clock import Clock
from tests.simulator.exchange import Exchange, Journal, Observer
from tests.simulator.faults import Faults, Protocol
from tests.simulator.gate import Gate
from tests.simulator.no_content import NoContentWithBody
from tests.simulator.state import World
from tests.simulator.switches import Switches
from tests.simulator.violations import Violations

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """Address, ports (0 = any free one), file for the CA (None = plain HTTP), speed of the clock, switches, validation.

    The control side is for this machine only.
    """

    address: str
    port: int
    control_port: int
    ca_file: str | None
    speed: float
    switches: t.Mapping[str, t.Any]
    validate: bool


@dataclass(frozen=True)
class Addresses:
    """Where the simulator answers."""

    url: str
    control_url: str
    ca_file: str | None

    def as_dict(self) -> dict[str, str | None]:
        """As JSON types."""
        return asdict(self)


class _Server(uvicorn.Server):
    """A server that leaves signals alone: two of them share this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> t.Generator[None, None, None]:
        yield


def serve(settings: Settings, announce: t.Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM. ``announce`` is called once, when both sides accept connections."""
    asyncio.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: t.Callable[[Addresses], None]) -> None:
    world = World(Clock(settings.speed), Switches(settings.switches))
    api = app.Api(world)
    gate = Gate(app.application(api), api)
    journal, violations = Journal(), Violations()
    observer = Observer(gate, journal, _validate(violations, api) if settings.validate else None)
    faults = Faults(observer, api)
    controls = control.application(control.Control(api, gate, journal, violations, faults, settings.switches))

    api_socket = _listen(settings.address, settings.port, "--port")
    control_socket = _listen(LOOPBACK, settings.control_port, "--control-port")
    servers = [
        (_Server(_api_config(NoContentWithBody(faults), settings)), api_socket),
        (_Server(_config(controls)), control_socket),
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, [server for server, _socket in servers])
    running = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]
    while not all(server.started for server, _socket in servers):
        await asyncio.sleep(0.005)
    scheme = "https" if settings.ca_file else "http"
    announce(Addresses(_url(scheme, api_socket), _url("http", control_socket), settings.ca_file))
    await asyncio.gather(*running)


def _validate(violations: Violations, api: app.Api) -> t.Callable[[Exchange], None]:
    from tests.simulator.validation import Validator  # half a second that nobody else should wait for

    return Validator(violations, lambda: api.world.switches).check


def _api_config(application: t.Any, settings: Settings) -> uvicorn.Config:
    if settings.ca_file is None:
        return _config(application)
    from tests.simulator.tls import server_context  # costs a quarter of a second that plain HTTP does not need

    context, authority = server_context(settings.address)
    pathlib.Path(settings.ca_file).write_bytes(authority)
    return _config(application, ssl_context_factory=lambda config, default: context)


def _config(application: t.Any, **more: t.Any) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=300,  # an idle connection that closes just when a test uses it again would be noise
        timeout_graceful_shutdown=1,
        **more,
    )


def _listen(address: str, port: int, option: str) -> socket.socket:
    """Return a bound socket. Raises OSError that names the port and the option when another program has the port."""
    # With the protocol named, asyncio switches off Nagle's algorithm, which costs 40 ms for every answer with a body
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        advice = f"stop that program, or set {option} to another port (0 takes a free one)"
        raise OSError(f"port {port} of {address} is in use by another program; {advice}") from None
    return listener


def _url(scheme: str, listener: socket.socket) -> str:
    address, port = listener.getsockname()
    return f"{scheme}://{address}:{port}"


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True
