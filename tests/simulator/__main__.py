# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the simulator: ``python -m tests.simulator --help``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import sys
import tempfile
import threading
import typing as t

from tests.harness import tree
from tests.simulator import credentials, profiles, switches
from tests.simulator.server import LOOPBACK, Addresses, Settings, serve

Number = t.TypeVar("Number", int, float)


def main() -> int:
    """Read the options, serve until a signal comes."""
    options = _parser().parse_args()
    if options.list_switches:
        print("Seconds are simulated ones (--speed). The first value is the default.\n")
        print(switches.describe())
        return 0
    try:
        values = _switch_values(options)
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    if options.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    with _ca_file(options) as ca_file:
        settings = Settings(
            address=options.address,
            port=options.port,
            control_port=options.control_port,
            ca_file=ca_file,
            speed=options.speed,
            switches=values,
            validate=options.validate,
        )
        try:
            serve(settings, lambda addresses: _announce(addresses, options.print_json))
        except OSError as error:
            print(f"simulator: {error}", file=sys.stderr)
            return 2
    return 0


@contextlib.contextmanager
def _ca_file(options: argparse.Namespace) -> t.Iterator[str | None]:
    """The path for the CA, None for plain HTTP. One that nobody chose is removed at the end."""
    if options.http or options.ca_file:
        yield None if options.http else options.ca_file
        return
    with tempfile.TemporaryDirectory(prefix="storware-simulator-") as directory:
        yield os.path.join(directory, "ca.pem")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulator",
        description="A stateful server of the Storware cloud download API, made for tests and for trying examples.",
        epilog=f"switches, by group; --list-switches shows their values and the reasons:\n{switches.overview()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--address", default=LOOPBACK, help="address of the API (default: %(default)s)")
    parser.add_argument("--port", type=port, default=0, help="port of the API (default: any free one)")
    parser.add_argument("--control-port", type=port, default=0, help="port of the control side (default: any free one)")
    parser.add_argument("--http", action="store_true", help="plain HTTP instead of HTTPS")
    parser.add_argument("--ca-file", metavar="PATH", help="where to write the CA certificate (PEM)")
    parser.add_argument("--speed", type=speed, default=1.0, help="simulated seconds in a real one (default: 1)")
    parser.add_argument(
        "--profile",
        type=pathlib.Path,
        metavar="FILE",
        help="answer like a server of this profile (YAML); tests/simulator/profiles has some",
    )
    parser.add_argument(
        "--switch", action="append", default=[], metavar="NAME=VALUE", help="may be repeated; wins over the profile"
    )
    parser.add_argument("--list-switches", action="store_true", help="print all switches with their values, and end")
    parser.add_argument("--validate", action="store_true", help="check every request and answer against openapi.yaml")
    parser.add_argument("--print-json", action="store_true", help="print the addresses as one line of JSON")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input is closed")
    return parser


def port(text: str) -> int:
    return _in_range(int(text), 65535)


def speed(text: str) -> float:
    return _in_range(float(text), 1e9)


def _in_range(number: Number, maximum: float) -> Number:
    if not 0 <= number <= maximum:
        raise ValueError
    return number


def _switch_values(options: argparse.Namespace) -> dict[str, t.Any]:
    values = profiles.switch_values(options.profile) if options.profile else {}
    for setting in options.switch:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--switch {setting!r}: expected name=value")
        values[name] = value
    return switches.Switches(values).values() if values else {}


def _announce(addresses: Addresses, as_json: bool) -> None:
    if as_json:
        text = json.dumps(addresses.as_dict())
    else:
        trust = (
            f"STORWARE_CA_PATH={shlex.quote(addresses.ca_file)}" if addresses.ca_file else "STORWARE_ALLOW_HTTP=true"
        )
        text = _INTRODUCTION.format(
            url=addresses.url,
            control=addresses.control_url,
            username=credentials.USERNAME,
            password=credentials.PASSWORD,
            token=credentials.TOKEN,
            trust=trust,
            programs=shlex.quote(str(pathlib.Path(sys.executable).parent)),
            collections=shlex.quote(str(tree.link())),
        )
    print(text, flush=True)


_INTRODUCTION = """\
The simulator answers at {url} until you press Ctrl+C.

  user name     {username}
  password      {password}, or the token {token}
  control side  {control} (docs/simulator.md)

Paste these lines into another shell. It needs no other setting:

  export PATH={programs}:"$PATH"
  export ANSIBLE_COLLECTIONS_PATH={collections}
  export STORWARE_URL={url} {trust}
  export STORWARE_USERNAME={username} STORWARE_PASSWORD={password}
  export CONTROL={control}

Three things to try there:

1. List the users whose mailboxes are backed up:

  ansible localhost -m storware.backup.protected_entity_info -a protected_entity_type=CLOUD_USER

2. Fetch the mailbox of Alice to the directory mail. The second run changes nothing:

  mkdir -p mail
  ansible-playbook storware.backup.fetch_content -e fetch_content_hosts=localhost -e fetch_content_dest="$PWD/mail" \\
    -e fetch_content_protected_entity_type=CLOUD_USER -e fetch_content_protected_entities=alice@example.com \\
    -e fetch_content_wait_interval=1

3. Let the server cut pages to five records, and find the difference:

  curl --request PATCH --data '{{"max_page_size": 5}}' "$CONTROL/switches"
  ansible-playbook storware.backup.check_server
"""


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
