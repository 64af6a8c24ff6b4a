# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate files that cannot be used are told with option, path and reason, before anything is sent."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from ansible_collections.storware.backup.plugins.module_utils import _argspec
from ansible_collections.storware.backup.plugins.module_utils._api import tls
from ansible_collections.storware.backup.plugins.module_utils._api.client import Client
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError

CONNECTION = _argspec.connection(
    {**{option.name: option.default for option in _argspec.CONNECTION}, "url": "https://127.0.0.1:1", "token": "sesame"}
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Good files, files of another certificate (other-), and text, empty and locked.pem, which are bad."""
    made = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(made / "ca.pem"))
    for name in ("", "other-"):
        leaf = authority.issue_cert("client.example.com")
        leaf.cert_chain_pems[0].write_to_path(str(made / f"{name}cert.pem"))
        leaf.private_key_pem.write_to_path(str(made / f"{name}key.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(made / "both.pem"))
    key = serialization.load_pem_private_key((made / "key.pem").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"hush")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (made / "locked.pem").write_bytes(key.private_bytes(pem, form, locked))
    (made / "text.pem").write_text("no certificate")
    (made / "empty.pem").touch()
    (made / "folder").mkdir()
    return made


def check(place: pathlib.Path, **files: str) -> None:
    paths = {option: str(place / name) for option, name in files.items()}
    tls.check_files(dataclasses.replace(CONNECTION, **paths))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "files",
    [
        {"ca_path": "ca.pem"},
        {"ca_path": "folder"},
        {"client_cert": "cert.pem", "client_key": "key.pem"},
        {"client_cert": "both.pem"},
    ],
)
def test_good_files(place: pathlib.Path, files: dict[str, str]) -> None:
    check(place, **files)


@pytest.mark.parametrize(
    ("files", "option", "name", "words"),
    [
        ({"ca_path": "none.pem"}, "ca_path", "none.pem", "cannot be read: No such file"),
        ({"ca_path": "text.pem"}, "ca_path", "text.pem", "holds no certificate"),
        ({"ca_path": "empty.pem"}, "ca_path", "empty.pem", "holds no certificate"),
        ({"ca_path": "key.pem"}, "ca_path", "key.pem", "holds no certificate"),
        ({"client_cert": "none.pem"}, "client_cert", "none.pem", "cannot be read: No such file"),
        ({"client_cert": "text.pem", "client_key": "key.pem"}, "client_cert", "text.pem", "holds no certificate"),
        ({"client_cert": "cert.pem"}, "client_cert", "cert.pem", "no private key"),
        ({"client_cert": "cert.pem", "client_key": "none.pem"}, "client_key", "none.pem", "cannot be read"),
        ({"client_cert": "cert.pem", "client_key": "text.pem"}, "client_key", "text.pem", "no private key"),
        (
            {"client_cert": "cert.pem", "client_key": "other-key.pem"},
            "client_key",
            "other-key.pem",
            "key values mismatch",
        ),
        ({"client_cert": "cert.pem", "client_key": "locked.pem"}, "client_key", "locked.pem", "is encrypted"),
    ],
)
def test_bad_files(place: pathlib.Path, files: dict[str, str], option: str, name: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        check(place, **files)
    assert (caught.value.option, caught.value.code) == (option, "invalid_option")
    assert str(place / name) in caught.value.message
    assert words in caught.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ca.pem").touch(mode=0)
    with pytest.raises(OptionError, match="Permission denied"):
        check(tmp_path, ca_path="ca.pem")


def test_files_that_nothing_needs_are_not_read(place: pathlib.Path) -> None:
    gone = str(place / "none.pem")
    tls.check_files(dataclasses.replace(CONNECTION, ca_path=gone, validate_certs=False))
    tls.check_files(dataclasses.replace(CONNECTION, ca_path=gone, url="http://127.0.0.1:1/api"))


def test_a_client_checks_them_first(place: pathlib.Path) -> None:
    with pytest.raises(OptionError) as caught:
        Client(dataclasses.replace(CONNECTION, ca_path=str(place / "text.pem")))
    assert caught.value.option == "ca_path"
