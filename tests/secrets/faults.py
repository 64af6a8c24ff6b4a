# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a server, an option or a connection may bring a secret before somebody's eyes.

A fault is a module, the options it is run with, and the answers that differ from those of a server without faults.
What the server repeats comes as ``echo``: the secret in some encoding, with a mark around it.
"""

from __future__ import annotations

import gzip
import io
import typing as t
import zipfile
from dataclasses import dataclass

from tests.harness.tree import modules_with_connection
from tests.secrets.server import Reply, Request, json_reply, reply
from tests.secrets.shapes import USER

Answers = t.Mapping[str, Reply | t.Callable[[Request], Reply]]
Options = t.Mapping[str, t.Any]

MODULES: t.Final = modules_with_connection()
GUID: t.Final = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
OTHER_GUID: t.Final = "0b6f0c1e-6f0e-4d6e-8a53-5b1f6a0f9c11"
DEST: t.Final = "{dest}"  # stands for a directory of the case's own

# What each module needs to do something; a module that is not here fails the tests until it is.
GOOD_OPTIONS: t.Final[t.Mapping[str, Options]] = {
    "cloud_download": {
        "protected_entities": [GUID],
        "wait_interval": 0.01,
        "wait_timeout": 0.05,
        "profile": {"create": {"visible_within": 1}},  # whether the server has understood a request is not waited for
    },
    "cloud_download_content": {"guid": GUID, "dest": f"{DEST}/mail.zip"},
    "cloud_download_info": {},
    "protected_entity_info": {"protected_entity_type": "CLOUD_USER"},
    "server_info": {},
    "session": {},
}

LOGIN: t.Final = "POST /session/login"
TOKEN_LOGIN: t.Final = "POST /session/login-with-token"
LIST: t.Final = "GET /cloud-download"
TASKS: t.Final = "GET /tasks"
CONTENT: t.Final = f"GET /cloud-download/{GUID}"
OTHER_CONTENT: t.Final = f"{CONTENT}/content-download"


@dataclass(frozen=True)
class Fault:
    """One way to go wrong, or right. ``answers`` and ``options`` are made from the echo, or the secret.

    role: what the secret is (password, token, session, cookie, or none of these: the options hold it).
    header: the echo stands where a line break cannot. shown: some of what the server says reaches the output,
    so that an echo of something that nobody knows as a secret must be found there. simple: only letters and digits
    can be told apart, because Ansible itself takes the value to pieces and shows them (docs/credentials.md).
    long: the module looks for two minutes for what has come of a create, which only tests in its process can shorten.
    """

    name: str
    module: str
    answers: t.Callable[[str], Answers] = lambda echo: {}
    options: t.Callable[[str], Options] = lambda secret: {}
    role: str = "password"
    header: bool = False
    shown: bool = True
    check: bool = False
    tls: bool = False
    interrupts: bool = False
    simple: bool = False
    long: bool = False

    def __str__(self) -> str:
        return f"{self.module}: {self.name} ({self.role})"


def credentials(role: str, secret: str) -> dict[str, t.Any]:
    """The options for logging in with a secret in this role."""
    if role == "password":
        return {"username": USER, "password": secret}
    if role == "token":
        return {"token": secret}
    if role == "session":
        return {"session": f"JSESSIONID={secret}"}
    return {"username": USER, "password": "off with her head"}


def good_answers(cookie: str) -> dict[str, Reply]:
    """What a server without faults says; the cookie is that of its sessions."""
    login = reply(200, "{}", {"Set-Cookie": f"JSESSIONID={cookie}; Path=/; HttpOnly"})
    content = reply(200, _archive(), {"Content-Type": "application/zip"})
    return {
        LOGIN: login,
        TOKEN_LOGIN: login,
        "POST /session/logout": reply(204),
        LIST: _listed(_record()),
        TASKS: _listed(),
        CONTENT: content,
        OTHER_CONTENT: content,
        f"DELETE /cloud-download/{GUID}": reply(204),
        f"PUT /cloud-download/{GUID}": reply(204),
        "POST /cloud-download": json_reply([{"guid": OTHER_GUID, "state": {"name": "FINISHED"}}], 201),
        "GET /cloud-users": _listed({"guid": GUID, "name": "Alice", "email": "alice@example.com"}),
        "GET /backups": _listed(_backup()),
        "GET /session/user": json_reply({"guid": OTHER_GUID, "login": USER}),
    }


def _backup(**fields: t.Any) -> dict[str, t.Any]:
    return {"guid": OTHER_GUID, "status": "SUCCESS", "protectedEntity": {"guid": GUID, "name": "Alice"}, **fields}


def _record(**fields: t.Any) -> dict[str, t.Any]:
    return {
        "guid": GUID,
        "mode": {"name": "CLOUD_DOWNLOAD"},
        "state": {"name": "MOUNTED"},
        "backup": _backup(),
        **fields,
    }


def _listed(*records: t.Any) -> Reply:
    body = json_reply(list(records)).data
    return Reply(body.replace(b"\r\n", f"\r\nX-Total-Count: {len(records)}\r\n".encode(), 1))


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mail.eml", "Dear Alice")
    return file.getvalue()


# --- answers that repeat a secret, for any call ---------------------------------------------------------------------

_Echoing = t.Callable[[str], Reply]


def _message(status: int) -> _Echoing:
    return lambda echo: json_reply({"message": f"no good: {echo}"}, status)


def _nested(echo: str) -> Reply:
    return json_reply({"error": {"message": echo}}, 403)


def _page(status: int) -> _Echoing:
    return lambda echo: reply(
        status, f"<html><h1>Sorry</h1> <p>{echo}</p></html>", {"Content-Type": "text/html; charset=utf-8"}
    )


def _traceback(echo: str) -> Reply:
    words = f"java.lang.IllegalStateException: {echo}\n\tat eu.example.Login.check(Login.java:7)\n"
    return reply(500, words, {"Content-Type": "text/plain"})


def _redirect(echo: str) -> Reply:
    return reply(302, echo, {"Location": f"https://{USER}:{echo}@sso.example.com/{echo}?token={echo}"})


def _broken_json(echo: str) -> Reply:
    return reply(200, f'{{"message": "{echo}', {"Content-Type": "application/json"})


def _nan(echo: str) -> Reply:
    return reply(200, f'[NaN, "{echo}"]', {"Content-Type": "application/json"})


def _media_type(echo: str) -> Reply:
    return reply(200, "<html>Welcome</html>", {"Content-Type": f"text/{echo}"})


def _chunk_size(echo: str) -> Reply:
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n\r\n"
    return Reply(f"{head}{echo}\r\n".encode(), close=True)


def _status_line(echo: str) -> Reply:
    return Reply(f"HTTP/1.1 {echo}\r\n\r\n".encode(), close=True)


def _no_http(echo: str) -> Reply:
    return Reply(f"{echo}\r\n".encode(), close=True)


def _header_line(echo: str) -> Reply:
    return Reply(f"HTTP/1.1 200 OK\r\n{echo}\r\nX: {echo}\r\nContent-Length: {echo}\r\n\r\n".encode(), close=True)


def _long_header(echo: str) -> Reply:
    return Reply(f"HTTP/1.1 200 OK\r\nX: {echo}{'x' * 70000}\r\n\r\n".encode(), close=True)


def _fields(echo: str) -> Reply:
    fields = dict.fromkeys(("X-Total-Count", "Retry-After", "WWW-Authenticate", "X-Auth-Token", "Server"), echo)
    return reply(429, "slow down", fields)


def _zipped(echo: str) -> Reply:
    return reply(500, gzip.compress(echo.encode()), {"Content-Encoding": "gzip", "Content-Type": "text/plain"})


def _cut(echo: str) -> Reply:
    whole = reply(500, echo, {"Content-Length": str(len(echo.encode()) + 100)})
    return Reply(whole.data, close=True)


def _at_the_cut(length: int) -> _Echoing:
    """The echo lies where excerpts of this length end, so that only its beginning is shown."""

    def answer(echo: str) -> Reply:
        shown = max(echo.find("kx") + 2, echo.find("0099") + 4, 24)
        return reply(500, "." * (length - shown) + echo, {"Content-Type": "text/plain"})

    return answer


@dataclass(frozen=True)
class _Way:
    """A way to answer with an echo."""

    name: str
    answer: _Echoing
    header: bool = False
    shown: bool = True
    breaks_off: bool = False


_REFUSALS: t.Final = (
    _Way("JSON", _message(400)),
    _Way("nested JSON", _nested),
    _Way("web page", _page(401)),
    _Way("traceback", _traceback),
    _Way("redirect", _redirect, header=True, shown=False),
    _Way("cut off", _cut, shown=False, breaks_off=True),
    _Way("zipped", _zipped),
    _Way("end of an excerpt", _at_the_cut(200)),
    _Way("status line", _status_line, header=True, shown=False),
    _Way("no HTTP", _no_http, header=True, shown=False),
    _Way("header fields", _fields, header=True, shown=False),
    _Way("long header field", _long_header, header=True, shown=False),
)
_NO_LISTS: t.Final = (
    _Way("web page instead of a list", _page(200)),
    _Way("broken JSON", _broken_json),
    _Way("NaN", _nan),
    _Way("media type", _media_type, header=True),
    _Way("size of a chunk", _chunk_size, header=True, shown=False, breaks_off=True),
    _Way("header line", _header_line, header=True, shown=False, breaks_off=True),
)


def _at(call: str, ways: t.Iterable[_Way], module: str, title: str, role: str = "password") -> t.Iterator[Fault]:
    for way in ways:
        yield Fault(
            f"{title}, {way.name}",
            module,
            lambda echo, way=way: {call: way.answer(echo)},  # type: ignore[misc]
            role=role,
            header=way.header,
            shown=way.shown,
        )


def _logins() -> t.Iterator[Fault]:
    for module in MODULES:
        yield from _at(LOGIN, _REFUSALS if module == "cloud_download_info" else _REFUSALS[:3], module, "login refused")
        yield Fault("login without a cookie", module, _elsewhere, header=True, shown=False)
        yield Fault("unknown authority", module, tls=True, shown=False)
        yield Fault("nobody listens", module, options=lambda secret: {"url": "http://127.0.0.1:9"}, shown=False)
        yield Fault("credentials in url", module, options=_in_url, role="url", shown=False)
        yield Fault("interrupted", module, interrupts=True, shown=False)
    yield from _at(TOKEN_LOGIN, _REFUSALS[:6], "cloud_download_info", "login refused", role="token")


def _elsewhere(echo: str) -> Answers:
    return {LOGIN: reply(200, echo, {"Set-Cookie": f"JSESSIONID={echo}; Domain=elsewhere.example.com; Path=/"})}


def _in_url(secret: str) -> Options:
    return {"url": f"https://{USER}:{secret}@backup.example.com"}


def _lists() -> t.Iterator[Fault]:
    info = "cloud_download_info"
    yield from _at(LIST, [*_REFUSALS, *_NO_LISTS], info, "list")
    for role in ("cookie", "session", "token"):
        yield from _at(LIST, [*_REFUSALS[:5], *_NO_LISTS[:4]], info, "list", role=role)
    yield Fault("list, values of records", info, _told)
    yield Fault("list, values of records", info, _told, role="cookie")
    yield Fault("list, keys of records", info, lambda echo: {LIST: _listed(_record(**{echo: {echo: [echo]}}))})
    yield Fault("list, no guid", info, lambda echo: {LIST: _listed({"guid": [echo], "name": echo})}, shown=False)
    yield Fault("session ended, login refused", info, _ended, shown=False)


def _telling(text: str) -> dict[str, t.Any]:
    node = {"guid": OTHER_GUID, "name": text}
    return _record(state={"name": text}, node=node, backup=_backup(status=text), note={"deep": [text]})


def _ended(echo: str) -> Answers:
    logins = [good_answers("first")[LOGIN], _message(401)(echo)]
    return {LIST: reply(401), LOGIN: lambda request: logins.pop(0) if len(logins) > 1 else logins[0]}


def _downloads() -> t.Iterator[Fault]:
    name, create, nothing = "cloud_download", "POST /cloud-download", _listed()
    waits = {"wait": False}
    absent = {"guid": [GUID], "protected_entities": None, "state": "absent"}
    update = {"guid": [GUID], "protected_entities": None, "update": {"note": "x"}, "wait": False}
    named = {"protected_entities": ["nobody"], "protected_entity_type": "CLOUD_USER"}
    yield from _at(LIST, _REFUSALS[:3], name, "list")
    yield from _at("GET /cloud-users", [*_REFUSALS[:3], *_NO_LISTS[:3]], "protected_entity_info", "list")
    yield from _at("GET /session/user", [*_REFUSALS[3:5], *_NO_LISTS], "session", "user")
    for way in (*_REFUSALS[:7], *_NO_LISTS):
        yield Fault(
            f"create, {way.name}",
            name,
            lambda echo, way=way: {LIST: nothing, create: way.answer(echo)},  # type: ignore[misc]
            header=way.header,
            shown=way.shown,
            long=way.breaks_off,
        )
    yield Fault("task failed", name, _failed_task)
    yield Fault("adopted", name, _told, lambda secret: waits)
    yield Fault("predicted", name, _similar, lambda secret: {**named, **waits}, check=True)
    yield Fault("similar names", name, _similar, lambda secret: named)
    yield Fault("names of nodes", name, _nodes, lambda secret: {"node": "nowhere"})
    yield Fault("diff of an update", name, lambda echo: {LIST: _listed(_record(note=echo))}, lambda secret: update)
    yield Fault(
        "update refused",
        name,
        lambda echo: {f"PUT /cloud-download/{GUID}": _message(422)(echo)},
        lambda secret: update,
    )
    yield Fault(
        "delete refused",
        name,
        lambda echo: {f"DELETE /cloud-download/{GUID}": _traceback(echo)},
        lambda secret: absent,
    )
    yield Fault(
        "deleted, in check mode", name, lambda echo: {LIST: _listed(_telling(echo))}, lambda _: absent, check=True
    )


def _told(echo: str) -> Answers:
    return {LIST: _listed(_telling(echo))}


def _failed_task(echo: str) -> Answers:
    task = {"guid": OTHER_GUID, "state": {"name": "FAILED"}, "statusInfo": echo, "protectedEntity": {"guid": GUID}}
    return {LIST: _listed(), "POST /cloud-download": json_reply([task], 201), TASKS: _listed(task)}


def _similar(echo: str) -> Answers:
    return {LIST: _listed(), "GET /cloud-users": _listed({"guid": GUID, "name": f"nobody {echo}", "email": echo})}


def _nodes(echo: str) -> Answers:
    return {"GET /nodes": _listed({"guid": GUID, "name": echo}, {"guid": OTHER_GUID, "name": "node-2"})}


def _contents() -> t.Iterator[Fault]:
    name = "cloud_download_content"
    no_files = (
        _Way("404", _message(404)),
        _Way("crash", _traceback),
        _Way("web page instead of a file", _page(200)),
        _Way("JSON instead of a file", _message(200)),
        _Way("end of an excerpt", _at_the_cut(120)),
        _Way("media type", _media_type, header=True),
        _Way("content coding", lambda echo: reply(200, "x", {"Content-Encoding": echo}), header=True),
        _Way("size of a chunk", _chunk_size, header=True, shown=False),
        _Way("redirect", _redirect, header=True, shown=False),
    )
    for role in ("password", "cookie"):
        for way in no_files:
            yield Fault(
                way.name,
                name,
                lambda echo, way=way: {CONTENT: way.answer(echo), OTHER_CONTENT: way.answer(echo)},  # type: ignore[misc]
                role=role,
                header=way.header,
                shown=way.shown,
            )
    yield Fault("fetched", name, _tagged, header=True, shown=False)
    yield Fault("fetched, in check mode", name, check=True, shown=False)
    yield Fault("size of a later chunk", name, _later_chunk, header=True, shown=False)


def _tagged(echo: str) -> Answers:
    fields = {"ETag": f'"{echo}"', "Last-Modified": echo, "X-Note": echo, "Repr-Digest": f"sha-256=:{echo}:"}
    return {CONTENT: reply(200, _archive(), {"Content-Type": "application/zip", **fields})}


def _later_chunk(echo: str) -> Answers:
    piece = _archive()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/zip\r\n\r\n"
    data = head + f"{len(piece):x}\r\n".encode() + piece + f"\r\n{echo}\r\n".encode()
    return {call: Reply(data, close=True) for call in (CONTENT, OTHER_CONTENT)}


def _misplaced() -> t.Iterator[Fault]:
    """The password stands in the wrong option as well, or in the wrong shape."""
    info, content, download = "cloud_download_info", "cloud_download_content", "cloud_download"
    places: tuple[tuple[str, str, t.Callable[[str], t.Any]], ...] = (
        (info, "url", lambda secret: secret),
        (info, "url", lambda secret: f"https://backup.example.com/?password={secret}"),
        (info, "username", lambda secret: secret),
        (info, "token", lambda secret: secret),
        (info, "session", lambda secret: secret),
        (info, "timeout", lambda secret: secret),
        (info, "ca_path", lambda secret: f"/nowhere/{secret}"),
        (info, "client_key", lambda secret: secret),
        (info, "backup", lambda secret: secret),
        (info, "mode", lambda secret: secret),
        (info, "page", lambda secret: secret),
        (info, "passwort", lambda secret: secret),
        (info, "name_like", lambda secret: secret),
        (content, "guid", lambda secret: secret),
        (content, "checksum", lambda secret: f"sha256:{secret}"),
        (content, "dest", lambda secret: f"/nowhere/{secret}/x"),
        (content, "owner", lambda secret: secret),
        (download, "protected_entities", lambda secret: [secret]),
        (download, "backup", lambda secret: secret),
        (download, "wait_timeout", lambda secret: secret),
        (download, "update", lambda secret: secret),
        (info, "password", lambda secret: [secret]),
        (info, "password", lambda secret: {"is": secret}),
    )
    for module, option, value in places:
        yield Fault(
            f"password in {option}",
            module,
            options=lambda secret, option=option, value=value: {option: value(secret)},  # type: ignore[misc]
            shown=False,
            simple=option in ("timeout", "page", "wait_timeout", "update", "dest"),
        )


def _successes() -> t.Iterator[Fault]:
    for module in MODULES:
        for role in ("password", "token", "session", "cookie"):
            if (module, role) != ("session", "cookie"):  # the cookie is what it is asked for
                yield Fault("success", module, role=role, shown=False)


FAULTS: t.Final = (*_logins(), *_lists(), *_downloads(), *_contents(), *_misplaced(), *_successes())
# One of each kind: what differs only in the module or the role of the secret takes the same way through Ansible.
KINDS: t.Final = tuple({fault.name: fault for fault in reversed(FAULTS) if not (fault.tls or fault.long)}.values())
