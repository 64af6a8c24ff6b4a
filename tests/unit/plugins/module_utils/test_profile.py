# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server profile: documents of friends and strangers, and templates of bodies."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.storware.backup.plugins.module_utils import _profile
from ansible_collections.storware.backup.plugins.module_utils._errors import OptionError
from ansible_collections.storware.backup.plugins.module_utils._profile import Profile

Json = t.Any

SECRET = "sw0rdf1sh"
UNSET: dict[str, Json] = dict.fromkeys(_profile.CREATE_NAMES)


def test_a_document_replaces_bodies_as_a_whole_and_keeps_other_defaults() -> None:
    document = {
        "create": {"body": {"objects": "$entity_guids"}, "visible_within": 30},
        "lists": {"teams": "cloud-protected-entities"},
        "ready": "state:DONE",
    }
    assert _profile.parse(document) == Profile(
        create_body={"objects": "$entity_guids"},
        visible_within=30,
        teams="cloud-protected-entities",
        ready="state:DONE",
    )


@pytest.mark.parametrize("document", [None, {}, {"create": {}}])
def test_without_keys_everything_has_its_default(document: Json) -> None:
    assert _profile.parse(document) == Profile()


_LOOP: dict[str, Json] = {}
_LOOP["create"] = _LOOP
_BOMB: Json = ["x"] * 10
for _level in range(8):
    _BOMB = [_BOMB] * 10


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (SECRET, "the document must be a dictionary"),
        ([SECRET], "the document must be a dictionary"),
        ({SECRET: 1}, "unknown key"),
        ({"create": {SECRET: 1}}, "unknown key in create"),
        ({"create": SECRET}, "create must be a dictionary"),
        ({"create": {"body": [SECRET]}}, "create.body must be a dictionary"),
        ({"create": {"body": {"x": f"${SECRET}"}}}, "unknown placeholder"),
        ({"create": {"body": {"x": "$status"}}}, "unknown placeholder"),
        ({"create": {"body": {"x": SECRET}}}, "names no protected entity"),
        ({"create": {"body": {"x": "$entity"}}}, "$entity, which is of a single entity"),
        ({"create": {"body": {"x": "$entities", "y": "$backup_guid"}}}, "$backup_guid, which is of a single entity"),
        ({"create": {"batch": SECRET}}, "create.batch must be all or one"),
        ({"create": {"batch": ["one"]}}, "create.batch must be all or one"),
        ({"create": {"visible_within": True}}, "create.visible_within must be a number between"),
        ({"create": {"visible_within": 1e9}}, "create.visible_within must be a number between"),
        ({"create": {"visible_within": float("nan")}}, "float"),
        ({"update": {"body": {"x": "$mode"}}}, "unknown placeholder"),
        ({"content": {"source": SECRET}}, "content.source must be auto or download or content_download"),
        ({"lists": {"page_size": 1.5}}, "lists.page_size must be a whole number"),
        ({"lists": {"page_size": 0}}, "lists.page_size must be a whole number"),
        ({"lists": {"teams": SECRET}}, "lists.teams must be"),
        ({"ready": "state:"}, "ready must be"),
        ({"ready": f"state:{SECRET}\n"}, "ready must be"),
        ({"ready": {"state": SECRET}}, "ready must be"),
        ({"update": {"body": {1: SECRET}}}, "a key that is no text"),
        ({"update": {"body": {"x": datetime.date(2026, 1, 1)}}}, "type date"),
        ({"update": {"body": {"x": SECRET.encode()}}}, "type bytes"),
        ({"update": {"body": {"x": {SECRET}}}}, "type set"),
        ({"update": {"body": {"x": 10**5000}}}, "type int"),
        ({"update": {"body": {"x": SECRET * 1000}}}, "type str"),
        ({"update": {"body": _LOOP}}, "levels"),
        ({"update": {"body": {"x": _BOMB}}}, "values"),
    ],
)
def test_what_cannot_work_is_an_error_of_the_option_that_repeats_nothing(document: Json, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        _profile.parse(document)
    error = caught.value
    assert error.option == "profile"
    assert words in error.message
    assert SECRET not in error.text


def test_placeholders_are_whole_values_and_unset_ones_take_their_key_along() -> None:
    values = {**UNSET, "mode": {"name": "A"}, "entities": [{"guid": "g"}], "entity_guids": ["g"]}
    template = {
        "a": "$mode",
        "b": {"deep": ["$entity_guids", "$node_guid"], "gone": {"guid": "$node_guid"}},
        "c": "$backups",
        "price": "$$5",
        "text": "no $mode in here",
        "empty": {},
        "null": None,
        "flag": False,
    }
    assert _profile.fill(template, values) == {
        "a": {"name": "A"},
        "b": {"deep": [["g"]]},
        "price": "$5",
        "text": "no $mode in here",
        "empty": {},
        "null": None,
        "flag": False,
    }
    assert _profile.fill({"x": "$node"}, values) == {}


def test_an_unknown_placeholder_lists_the_known_ones() -> None:
    with pytest.raises(OptionError) as caught:
        _profile.check_request({"x": ["$entties"]}, Profile(), 1)
    assert caught.value.option == "request"
    assert "$entities, $entity_guids, $entity," in caught.value.text


def test_a_request_for_several_entities_has_no_placeholder_of_one() -> None:
    one = Profile(create_body={"x": "$entity"}, batch="one")
    _profile.check_request({"x": "$entity_guid"}, Profile(), 1)
    _profile.check_request({"x": "$entity_guid"}, one, 3)
    with pytest.raises(OptionError, match="which is of a single entity, and 3 are in one request"):
        _profile.check_request({"x": "$entity_guid"}, Profile(), 3)
