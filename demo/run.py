# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration behind ``make demo``: the whole story against the simulator, on this machine, in under a minute.

Run it with a Python whose environment has ansible-core, requests, starlette, uvicorn and trustme. It needs no server,
no network and no settings, and writes to .build/demo only.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.simulator.process import Simulator, SimulatorError  # noqa: E402

WORK = ROOT / ".build" / "demo"
HOSTS = [WORK / "hosts" / name for name in ("files-1", "files-2", "legal")]  # as in inventory.yml
FILES = 3 * len(HOSTS)  # each of the three mailboxes on each host
# Not resolved: Ansible's programs lie beside the venv's python, not beside what that is a link to.
PROGRAMS = pathlib.Path(sys.executable).parent
TIMEOUT = 100  # seconds for one command; each takes a few

FETCH = "ansible-playbook -i demo/inventory.yml storware.backup.fetch_content -e @demo/mailboxes.yml"
REMOVE = "ansible-playbook storware.backup.remove_downloads -e @demo/mailboxes.yml"


class DemoError(Exception):
    """Something is not as it should be; the message says what."""


def main() -> int:
    """Play all acts; 0 when everything is as it should be."""
    started = time.monotonic()
    try:
        _prepare()
        with Simulator.start(speed=4, validate=False, content_size=8 * 1024 * 1024) as server:
            _fetch(server)
            _fetch_again(server)
            _check_files()
            _remove(server)
    except (DemoError, SimulatorError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - started:.0f} seconds. The simulator is stopped; nothing is left running.")
    print(f"The files are under {WORK.relative_to(ROOT)}/hosts, if you want to look at them.")
    return 0


def _prepare() -> None:
    _act("Build the collection and install the archive")
    shutil.rmtree(WORK, ignore_errors=True)
    for host in HOSTS:
        host.mkdir(parents=True)
    _run("ansible-galaxy collection build --output-path .build/demo")
    archive = next(WORK.glob("*.tar.gz")).relative_to(ROOT)
    _run(f"ansible-galaxy collection install --offline -p .build/demo/collections {archive}")


def _fetch(server: Simulator) -> None:
    _act("Fetch three mailboxes to three hosts")
    print("  The server is a simulator with a real HTTPS interface, and its mail is made up.")
    print("  The three hosts are this machine, each with a directory of its own.")
    _require(_changes(_run(FETCH, server)) > 0, "the first run should have changed something")
    for host in HOSTS:
        for file in _files(host):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            print(f"  {host.name:<8} {file.name:<33} {file.stat().st_size / 1e6:6.1f} MB  sha256 {digest}")
    _require(_count() == FILES, f"there should be {FILES} files")


def _fetch_again(server: Simulator) -> None:
    _act("Once more: nothing changes")
    server.clear_log()
    changes, counters = _changes(_run(FETCH, server)), server.counters()
    writes, sent = counters["writes"], counters["content_bytes_sent"]
    print(f"  Changes: {changes}. Calls that create or remove: {writes}. Bytes of content sent: {sent}.")
    _require(changes == writes == sent == 0, "the second run should have changed nothing")


def _check_files() -> None:
    _act("Check the files against the receipts beside them")
    if shutil.which("sha256sum") is None:
        print("  Skipped: this machine has no sha256sum.")
        return
    for host in HOSTS:
        receipts = " ".join(shlex.quote(receipt.name) for receipt in sorted(host.glob("*.sha256")))
        _run(f"sha256sum -c {receipts}", directory=host, shown=f"cd {host.relative_to(ROOT)} && sha256sum -c *.sha256")


def _remove(server: Simulator) -> None:
    _act("Remove the downloads from the server; the files stay")
    _run(REMOVE, server)
    downloads, files = len(server.downloads()), _count()
    print(f"  Downloads on the server: {downloads}. Files on the hosts: {files}.")
    _require(downloads == 0 and files == FILES, f"there should be no download, and {FILES} files")


def _run(command: str, server: Simulator | None = None, directory: pathlib.Path = ROOT, shown: str = "") -> str:
    """Show and run a command, and its output line by line while it runs.

    Args:
        command: Program and arguments.
        server: Its address and credentials become part of the environment.
        directory: Where the command runs.
        shown: The command as people would write it, if that differs.

    Returns:
        The output.

    Raises:
        DemoError: The command failed, or ran for more than TIMEOUT seconds.
    """
    print(f"  $ {shown or command}", flush=True)
    lines = []
    with subprocess.Popen(
        shlex.split(command),
        cwd=directory,
        env=_environment(server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        for line in process.stdout or ():
            print(f"    {line}".rstrip(), flush=True)
            lines.append(line)
        process.wait()
        timer.cancel()
    _require(process.returncode == 0, f"{command}: exit status {process.returncode}")
    return "".join(lines)


def _environment(server: Simulator | None) -> dict[str, str]:
    environment = {
        "PATH": f"{PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(WORK / "home"),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(WORK / "collections"),
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }
    if sys.stdout.isatty():
        environment["ANSIBLE_FORCE_COLOR"] = "1"  # it writes to a pipe here
    if server is not None:
        environment |= {
            "STORWARE_URL": server.url,
            "STORWARE_CA_PATH": str(server.ca_path),
            "STORWARE_USERNAME": server.username,
            "STORWARE_PASSWORD": server.password,
        }
    return environment


def _changes(output: str) -> int:
    """How many changes the recap of a playbook run counts, over all hosts."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


def _files(host: pathlib.Path) -> list[pathlib.Path]:
    return sorted(file for file in host.iterdir() if file.suffix != ".sha256")


def _count() -> int:
    return sum(len(_files(host)) for host in HOSTS)


def _act(title: str) -> None:
    print(f"\n* {title}", flush=True)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise DemoError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
