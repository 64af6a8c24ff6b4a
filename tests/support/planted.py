# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose answers are full of names of people: those of a simulator, with such a name wherever one fits."""

from __future__ import annotations

import itertools
import json
import ssl
import typing as t
import urllib.error
import urllib.request
import uuid

from tests.simulator.process import Simulator
from tests.support.answers import Answer, AnsweringServer, Request

Json = t.Any

PEOPLE: t.Final = [f"{first}{last}" for first in ("Zebulon", "Xanthippe", "Quirin", "Wulfhild", "Yrsa") for last in (
    "Quagmire", "Brzezinski", "Oyelaran", "Featherstone", "Kjeldsen", "Vaszary", "Umarov", "Ng-Bartlett",
)]  # fmt: skip

_TEXTS: t.Final = ("description", "displayName", "email", "name", "statusInfo", "protectedEntityDisplayName", "version")
_CONSTANTS: t.Final = ("mode", "state", "status", "type")
_NOT_PASSED: t.Final = ("connection", "content-length", "date", "server", "set-cookie", "transfer-encoding")


class PlantedServer(AnsweringServer):
    """Passes requests on to a simulator, and plants PEOPLE in its answers, one after the other."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__({})
        self.planted: set[str] = set()
        self._simulator = simulator
        self._people = itertools.cycle(PEOPLE)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=simulator.ca_path)),
        )

    def take(self, request: Request) -> Answer:
        """Pass the request on."""
        self.requests.append(request)
        status, headers, body = self._pass_on(request)
        kept = {name: value for name, value in headers.items() if name not in _NOT_PASSED}
        kept["Server"] = self._person()
        kept[f"X-{self._person()}"] = self._person()
        if cookie := headers.get("set-cookie"):
            name, _equals, rest = cookie.partition("=")
            self._cookie = name
            kept["Set-Cookie"] = f"{self._person()}={rest}".replace("; Secure", "")  # it is passed on by HTTP
        if "content-disposition" in kept:
            kept["content-disposition"] = f'attachment; filename="{self._person()}.zip"'
        if "json" in headers.get("content-type", ""):
            changed = self._plant(json.loads(body))
            body = json.dumps(changed if status < 400 else {"message": self._person(), self._person(): 1}).encode()
        return Answer(status, body, kept)

    def _pass_on(self, request: Request) -> tuple[int, t.Mapping[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        if "Cookie" in headers:
            headers["Cookie"] = f"{self._cookie}={headers['Cookie'].partition('=')[2]}"
        forwarded = urllib.request.Request(
            self._simulator.url.removesuffix("/api") + request.path,
            data=request.body or None,
            headers=headers,
            method=request.method,
        )
        try:
            with self._opener.open(forwarded, timeout=30) as answer:
                return answer.status, _lower(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, _lower(error.headers), error.read()

    def _person(self) -> str:
        person = next(self._people)
        self.planted.add(person)
        return person

    def _plant(self, value: Json) -> Json:
        if isinstance(value, list):
            records = [self._plant(record) for record in value]
            return [*records, self._stranger(records[-1])] if records and isinstance(records[-1], dict) else records
        if not isinstance(value, dict):
            return value
        is_constant = set(value) == {"name", "description"}
        record = {
            key: self._person() if key in _TEXTS and inner and not is_constant else self._plant(inner)
            for key, inner in value.items()
        }
        return record if is_constant else {**record, self._person(): self._person()}

    def _stranger(self, record: Json) -> Json:
        """Another record, with constants that no document has."""
        constants = {key: {"name": self._person()} for key in _CONSTANTS if key in record}
        return {**record, "guid": str(uuid.uuid4()), **constants}


def _lower(headers: t.Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
