# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with addresses, users and SSH servers of their own, on a network that can be cut: namespaces of this machine.

All of it lives in namespaces that ``make fleet-tests`` makes for the tests, and is gone with them.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

VARIABLE = "STORWARE_TEST_LAB"  # set inside of those namespaces
CONTROLLER = "10.99.0.1"
USER, OTHER = "ansible", "restore"  # who may become root, and whom files may belong to
SSHD = "/usr/sbin/sshd"

_USERS: t.Final = f"""\
root:x:0:0::/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:2001:2001::/home/{USER}:/bin/bash
{OTHER}:x:2002:2002::/home/{OTHER}:/bin/bash
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
"""
_GROUPS: t.Final = f"root:x:0:\n{USER}:x:2001:\n{OTHER}:x:2002:\nnogroup:x:65534:\n"
_SUDOERS: t.Final = f"Defaults !fqdn\nroot ALL=(ALL:ALL) ALL\n{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"
_SSHD_CONFIG: t.Final = """\
HostKey {base}/host_key
PidFile none
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
ClientAliveInterval 2
ClientAliveCountMax 2
MaxStartups 100
"""
_START: t.Final = """\
set -e
mount --bind {base}/passwd /etc/passwd
mount --bind {base}/group /etc/group
mount --bind {base}/shadow /etc/shadow
mount --bind {base}/sudoers /etc/sudoers
mount --bind {base}/home /home
mount --bind {base}/root /root
mount --bind {base}/srv /srv
exec {sshd} -D -f {base}/sshd_config -E {base}/sshd.log
"""


def _run(*command: str | os.PathLike[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@dataclasses.dataclass
class Host:
    """A managed host. ``srv`` is its /srv, seen from here."""

    name: str
    address: str
    base: pathlib.Path
    process: subprocess.Popen[bytes]

    @property
    def srv(self) -> pathlib.Path:
        """What the host has as /srv."""
        return self.base / "srv"

    def cut(self) -> None:
        """Take its cable out."""
        _run("ip", "link", "set", f"to-{self.name}", "down")

    def heal(self) -> None:
        """Put it in again."""
        _run("ip", "link", "set", f"to-{self.name}", "up")

    def slow(self, rate: str) -> None:
        """Let no more than this reach the host, such as 8mbit."""
        _run(
            "tc",
            "qdisc",
            "replace",
            "dev",
            f"to-{self.name}",
            "root",
            "tbf",
            "rate",
            rate,
            "burst",
            "32k",
            "latency",
            "400ms",
        )

    def fast(self) -> None:
        """No limit any more."""
        _run("tc", "qdisc", "del", "dev", f"to-{self.name}", "root")

    def sh(self, command: str) -> str:
        """What a command of root's prints there."""
        inside = ["nsenter", f"--target={self.process.pid}", "--mount", "--net", "sh", "-c", command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


class Network:
    """The hosts of a test, and the keys for them."""

    def __init__(self, directory: pathlib.Path, names: t.Sequence[str]) -> None:
        self.directory = directory
        self.key = directory / "key"
        directory.mkdir()
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        _run("ip", "link", "add", "lab", "type", "bridge")
        _run("ip", "addr", "add", f"{CONTROLLER}/24", "dev", "lab")
        for device in ("lo", "lab"):
            _run("ip", "link", "set", device, "up")
        self.hosts = [self._host(name, f"10.99.0.{number}") for number, name in enumerate(names, 11)]
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text("".join(self._known(host) for host in self.hosts))
        for host in self.hosts:
            self._wait_for(host)
            self._acquaint(host)

    def __getitem__(self, name: str) -> Host:
        """The host with this name."""
        return next(host for host in self.hosts if host.name == name)

    def close(self) -> None:
        """Stop the hosts and take the network away."""
        for host in self.hosts:
            host.process.kill()
            host.process.wait()
            _run("ip", "netns", "del", host.name)
        _run("ip", "link", "del", "lab")

    def _host(self, name: str, address: str) -> Host:
        base = self.directory / name
        self._furnish(base)
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", f"to-{name}", "master", "lab", "up")
        inside = ("ip", "netns", "exec", name)
        _run(*inside, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run(*inside, "ip", "link", "set", device, "up")
        start = _START.format(base=base, sshd=SSHD)
        return Host(name, address, base, subprocess.Popen([*inside, "sh", "-c", start]))

    def _furnish(self, base: pathlib.Path) -> None:
        """Files of the host's own, which it sees in the place of this machine's."""
        for directory in ("home", "srv", "root"):
            (base / directory).mkdir(parents=True)
        for user, number in ((USER, 2001), (OTHER, 2002)):
            home = base / "home" / user
            (home / ".ssh").mkdir(parents=True)
            shutil.copy(self.key.with_suffix(".pub"), home / ".ssh" / "authorized_keys")
            home.chmod(0o700)
            _run("chown", "-R", f"{number}:{number}", home)
        files = {"passwd": _USERS, "group": _GROUPS, "sudoers": _SUDOERS, "sshd_config": _SSHD_CONFIG.format(base=base)}
        files["shadow"] = "".join(f"{line.split(':')[0]}:*:20000::::::\n" for line in _USERS.splitlines())
        for name, text in files.items():
            (base / name).write_text(text)
        (base / "sudoers").chmod(0o440)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / "host_key")

    def _acquaint(self, host: Host) -> None:
        """Let its user, and root, log in to the others."""
        known = self.known_hosts.read_text()
        for home in ("/home/ansible", "/root"):
            host.sh(f"mkdir -p {home}/.ssh && cat > {home}/.ssh/known_hosts << 'end'\n{known}end")
        host.sh(f"cat > /home/ansible/.ssh/id << 'end'\n{self.key.read_text()}end\nchmod 600 /home/ansible/.ssh/id")
        host.sh(f"chown -R {USER}: /home/ansible/.ssh")

    def _known(self, host: Host) -> str:
        key = (host.base / "host_key.pub").read_text().rsplit(" ", 1)[0]
        return f"{host.address} {key}\n"

    def _wait_for(self, host: Host) -> None:
        ends = time.monotonic() + 20
        command = [
            "ssh",
            "-i",
            str(self.key),
            "-o",
            f"UserKnownHostsFile={self.known_hosts}",
            f"{USER}@{host.address}",
            "true",
        ]
        while subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            log = host.base / "sshd.log"
            assert time.monotonic() < ends, log.read_text() if log.exists() else "sshd has not started"
            time.sleep(0.1)
