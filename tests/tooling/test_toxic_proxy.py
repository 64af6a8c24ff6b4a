# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that breaks connections, exact to the byte: what it does not say it does, it does not do."""

from __future__ import annotations

import socket
import time
import typing as t

import pytest

from tests.faults.script_server import HangUp, Script, scripted
from tests.faults.toxic_proxy import (
    Bandwidth,
    FlipBit,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Stop,
    ToxicProxy,
)
from tests.unit.plugins.module_utils._transfer.material import noise

BODY: t.Final = noise(3_000_000)
ANSWER: t.Final[Script] = (BODY, HangUp())
REQUEST: t.Final = b"GET /file HTTP/1.1\r\n\r\n"


def received(port: int, wait: float = 5.0) -> tuple[bytes, str]:
    """All that comes, and how it ends: fin, rst or silence."""
    data = b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(wait)
        connection.sendall(REQUEST)
        try:
            while piece := connection.recv(65536):
                data += piece
        except ConnectionResetError:
            return data, "rst"
        except TimeoutError:
            return data, "silence"
    return data, "fin"


def through(toxics: list[t.Any], wait: float = 5.0) -> tuple[bytes, str, float]:
    """What comes of BODY, how it ends, and the seconds that takes."""
    with scripted(ANSWER) as server, ToxicProxy(("127.0.0.1", server.port), toxics) as proxy:
        started = time.monotonic()
        data, end = received(proxy.port, wait)
        return data, end, time.monotonic() - started


@pytest.mark.parametrize(
    "toxics", [[], [Slicer(1400)], [Bandwidth(30e6)], [Latency(0.05), Slicer(70_000)], [SlowClose(0.1)]], ids=str
)
def test_bytes_pass_as_they_are(toxics: list[t.Any]) -> None:
    data, end, _seconds = through(toxics)
    assert data == BODY
    assert end == "fin"


@pytest.mark.parametrize("count", [0, 1, 65_536, 2_999_999])
@pytest.mark.parametrize(("reset", "end"), [(False, "fin"), (True, "rst")])
def test_the_end_comes_after_exactly_so_many_bytes(count: int, reset: bool, end: str) -> None:
    assert through([LimitData(count, reset)])[:2] == (BODY[:count], end)


@pytest.mark.parametrize("at", [0, 1_234_567, len(BODY) - 1])
def test_one_bit_is_another_one(at: int) -> None:
    data, _end, _seconds = through([FlipBit(at)])
    assert [index for index in range(len(BODY)) if data[index] != BODY[index]] == [at]
    assert (data[at] ^ BODY[at]).bit_count() == 1


def test_latency_delays_and_does_not_limit_the_bandwidth() -> None:
    data, _end, seconds = through([Latency(0.5)])
    assert data == BODY
    assert 0.5 <= seconds < 0.5 * 4  # not once for each of many pieces


def test_bandwidth_is_limited() -> None:
    assert through([Bandwidth(3e6)])[2] >= 0.9


def test_a_slow_close_is_slow_and_a_reset_comes_in_its_time() -> None:
    assert through([SlowClose(0.5)])[2] >= 0.5
    data, end, seconds = through([ResetPeer(0.3), Bandwidth(3e6)])
    assert (end, data) == ("rst", BODY[: len(data)])
    assert 0 < len(data) < len(BODY)
    assert seconds >= 0.3


def test_a_stop_holds_everything_until_it_is_gone_or_ends_it() -> None:
    assert through([Stop()], wait=0.3)[:2] == (b"", "silence")
    assert through([Stop(0.2)])[:2] == (b"", "fin")
    with (
        scripted(ANSWER) as server,
        ToxicProxy(("127.0.0.1", server.port), [Stop()]) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as connection,
    ):
        connection.sendall(REQUEST)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.toxics = []
        connection.settimeout(5)
        assert connection.recv(1) == BODY[:1]


def test_down_refuses_and_ends_connections_and_up_is_at_the_same_port() -> None:
    with scripted(ANSWER) as server, ToxicProxy(("127.0.0.1", server.port), [Stop()]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
            connection.sendall(REQUEST)
            while not server.requests:
                time.sleep(0.01)
            proxy.down()
            connection.settimeout(5)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with pytest.raises(ConnectionRefusedError):
            received(proxy.port)
        proxy.toxics = []
        proxy.up()
        assert received(proxy.port) == (BODY, "fin")
        assert proxy.connections == 2
