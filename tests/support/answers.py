# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that gives prepared answers, for what no well-behaved server would say. Real sockets, one thread."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import typing as t
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One prepared answer. cut: bytes of the body that are sent before the connection is closed.

    before: sent as it is, ahead of the answer.
    """

    status: int = 200
    body: bytes = b""
    headers: t.Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    silent: bool = False  # close without a word
    before: bytes = b""

    @classmethod
    def json(cls, value: t.Any, status: int = 200) -> Answer:
        """An answer as the API gives it."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


LOGIN = Answer(200, b"{}", {"Set-Cookie": "JSESSIONID=open-sesame; Path=/; HttpOnly"})


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: t.Mapping[str, str]
    body: bytes


Answers = t.Union[Answer, "list[Answer]", t.Callable[[Request], Answer]]


class AnsweringServer:
    """Answers each "METHOD /path" from its list, the last entry for ever, or as a function says.

    Logins succeed unless prepared otherwise.
    """

    def __init__(self, answers: t.Mapping[str, Answers]) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, Answers] = {
            "POST /api/session/login": LOGIN,
            "POST /api/session/logout": Answer(204),
            **answers,
        }
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """Base address without path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def calls(self) -> list[str]:
        """What was asked, in order, as "METHOD /path"."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @contextlib.contextmanager
    def running(self) -> t.Iterator[AnsweringServer]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def take(self, request: Request) -> Answer:
        """Note the request and find its answer."""
        self.requests.append(request)
        answers = self._answers.get(f"{request.method} {request.path.partition('?')[0]}")
        if not answers:
            return Answer.json({"message": "nothing is prepared here"}, 404)
        if isinstance(answers, list):
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return answers if isinstance(answers, Answer) else answers(request)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = server.take(Request(self.command, self.path, dict(self.headers), body))
                if answer.silent:
                    self.close_connection = True
                    return
                self.wfile.write(answer.before)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != 204 and "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
                self.close_connection = answer.cut is not None

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler


@contextlib.contextmanager
def answering(answers: t.Mapping[str, Answers]) -> t.Iterator[AnsweringServer]:
    """A running server with these answers."""
    with AnsweringServer(answers).running() as server:
        yield server
