# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx as a user may run it: static files over http and https, one worker, sendfile."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import time
import typing as t

import trustme

GUID: t.Final = "f8f73bf9-2445-4bce-a7dd-753be3b40a67"
GUID_OF_WHOLE: t.Final = "2a9b1c0e-8f4d-4d0b-9d55-6c0d7f0e1a22"
GUIDS_OF_SMALL: t.Final = "00000000-0000-4000-8000-000000000{:03}"

_HOST: t.Final = "127.0.0.1"
_STARTS: t.Final = 10.0  # seconds
_BUFFERS: t.Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# The locations are what a session, the list and the content of a cloud download need of the API.
_CONFIGURATION: t.Final = """
{user} daemon off; worker_processes 1; pid {scratch}/pid; error_log {scratch}/errors;
events {{ }}
http {{
    access_log off; sendfile on; default_type application/zip; {temporary}
    server {{
        listen {host}:{http_port};
        listen {host}:{https_port} ssl;
        ssl_certificate {scratch}/certificate.pem;
        ssl_certificate_key {scratch}/key.pem;
        root {content};
        location = /api/session/login {{ add_header Set-Cookie "SESSION=1; Path=/" always; return 200; }}
        location = /api/session/logout {{ return 204; }}
        location = /api/cloud-download {{ default_type application/json; alias {content}/list.json; }}
        location = /api/cloud-download/{guid} {{ alias {content}/large.zip; }}
        location = /api/cloud-download/{whole} {{ alias {content}/whole.zip; }}
        location ~ "^/api/cloud-download/{small}$" {{
            add_header Content-Disposition "attachment; filename=small-$1.zip";
            alias {content}/small-$1.zip;
        }}
    }}
}}
"""


def find(program: str) -> str | None:
    """Its path, also where only the superuser looks."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin")


class ServerMissing(Exception):
    """nginx is not installed, or does not start."""


class Nginx:
    """Serves the files of a directory until the end of the ``with`` block. ca: the authority that clients trust."""

    def __init__(self, scratch: pathlib.Path, content: pathlib.Path) -> None:
        self.content = content
        self.ca = scratch / "ca.pem"
        self.http_port, self.https_port = _free_ports(2)
        self._scratch = scratch
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nginx:
        program = find("nginx")
        if not program:
            raise ServerMissing("nginx is not installed")
        self._configure()
        scratch = self._scratch
        self._process = subprocess.Popen([program, "-p", scratch, "-e", scratch / "errors", "-c", scratch / "conf"])
        try:
            self._await_start(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()

    def base(self, scheme: str) -> str:
        """The address of the directory, without a slash at its end."""
        return f"{scheme}://{_HOST}:{self.https_port if scheme == 'https' else self.http_port}"

    def _configure(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(os.fspath(self.ca))
        issued = authority.issue_cert(_HOST)
        issued.private_key_pem.write_to_path(os.fspath(self._scratch / "key.pem"))
        for pem in issued.cert_chain_pems:
            pem.write_to_path(os.fspath(self._scratch / "certificate.pem"), append=True)
        text = _CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",  # or it could not read a private directory
            temporary=" ".join(f"{kind}_temp_path {self._scratch}/{kind};" for kind in _BUFFERS),
            scratch=self._scratch,
            content=self.content,
            host=_HOST,
            http_port=self.http_port,
            https_port=self.https_port,
            guid=GUID,
            whole=GUID_OF_WHOLE,
            small=GUIDS_OF_SMALL.replace("{:03}", "([0-9]{3})"),
        )
        (self._scratch / "conf").write_text(text, encoding="utf-8")

    def _await_start(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _STARTS
        while not all(_listens(port) for port in (self.http_port, self.https_port)):
            if process.poll() is not None or time.monotonic() > until:
                raise ServerMissing(f"nginx does not start: {(self._scratch / 'errors').read_text()}")
            time.sleep(0.01)

    def _stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server((_HOST, 0)) for _number in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0
