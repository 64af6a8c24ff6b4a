# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision to remove downloads: whatever hosts answer or do not, no honest host loses a file that it was to get."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storware.backup.plugins.filter.decide_removal import decide_removal
from ansible_collections.storware.backup.plugins.filter.distribute import distribute
from tests.support.examples import examples

Json = t.Any

RUN = "reset 340282366920938463463374607431768211455"
GUIDS = [f"f8f73bf9-2445-4bce-a7dd-753be3b40a6{digit}" for digit in range(3)]
SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
FETCHED = ("missing", "size", "checksum", "guid", "forced")


def record(guid: str) -> Json:
    return {"guid": guid, "protected_entity": {"name": f"Mailbox {guid[-1]}"}, "backup": {"size": None}}


def file(guid: str, /, **more: Json) -> Json:
    """An entry of a result that is a proof, unless more says otherwise."""
    there = {"guid": guid, "path": f"/srv/{guid}.zip", "sha256": SHA256, "verified": "full", "changed": False}
    return {**there, "reason": "unchanged", **more}


def failed(guid: str) -> Json:
    return {"guid": guid, "failed": True, "changed": False, "msg": "No space left on device"}


@dataclasses.dataclass
class Host:
    """What a host did in the run, and what the controller knows of it.

    files: the GUIDs of the files that are whole on it at the end. outcome: None when it has not come to have one.
    proved: whether it has all its files and says so.
    """

    files: set[str]
    outcome: Json
    alive: bool = True
    honest: bool = True
    proved: bool = False


def _outcome(result: Json, run: Json = RUN) -> Json:
    return {"run": run, "result": result}


_KINDS = (
    *["good"] * 4,
    *[
        "failed",
        "unreachable",
        "kept",
        "size only",
        "unverified",
        "stale",
        "planted",
        "forged",
        "none",
        "silent",
        "lost",
        "lying",
    ],
)


@st.composite
def _hosts(draw: st.DrawFn, share: list[str]) -> Host:
    """A host that was to get these files, and any way in which that may end."""
    everything = set(share)
    kind = draw(st.sampled_from(_KINDS))
    alive = draw(st.booleans()) if kind not in ("good", "lost") else kind == "good"  # failed, or the failure ignored
    good = [file(g, **draw(st.sampled_from([{}, *({"reason": r, "changed": True} for r in FETCHED)]))) for g in share]
    if kind == "good":
        return Host(everything, _outcome({"changed": True, "files": good}), proved=True)
    if kind == "failed":  # some of its files, or none, and nothing about them
        bad = draw(st.sets(st.sampled_from(share), min_size=1)) if share else set()
        told = [failed(found["guid"]) if found["guid"] in bad else found for found in good]
        files = draw(st.sampled_from([told, []]))
        return Host(
            everything - bad if files else set(), _outcome({"failed": True, "msg": "no", "files": files}), alive
        )
    if kind == "unreachable":
        return Host(set(), _outcome({"unreachable": True, "msg": "timed out"}), alive)
    if kind in ("kept", "size only", "unverified"):  # whatever lies there
        doubt: Json = {
            "kept": {"reason": "kept", "sha256": None, "verified": "none"},
            "size only": {"sha256": None, "verified": "length"},
            "unverified": {"reason": "missing", "verified": "none", "changed": True},
        }[kind]
        return Host(
            draw(st.sets(st.sampled_from(share))) if share else set(),
            _outcome({"files": [file(g, **doubt) for g in share]}),
        )
    if kind == "stale":  # had them in an earlier run, and lost them since
        return Host(set(), _outcome({"files": good}, draw(st.sampled_from(["", "reset 1", None]))), alive)
    if kind == "planted":  # an inventory, a fact cache or an extra variable speaks for the host
        claims = st.sampled_from([good, {"files": good}, {"result": {"files": good}}, "yes", True])
        return Host(set(), draw(claims), alive)
    if kind == "forged":  # the same, in the name of this run, for a host that has failed
        return Host(set(), _outcome({"files": good}), alive=False)
    if kind == "silent":  # ok, without files
        return Host(
            set(), _outcome(draw(st.sampled_from([{}, {"changed": False}, {"files": None}, {"skipped": True}])))
        )
    if kind == "lost":  # it had them, and was lost before the decision
        return Host(everything, _outcome({"files": good}), alive=False)
    if kind == "lying":
        claims = draw(
            st.sampled_from([good, [], good * 2, "files", [None], [{**f, "guid": f["guid"].upper()} for f in good]])
        )
        return Host(set(), _outcome({"files": claims}), alive, honest=False)
    return Host(set(), None, alive)


@dataclasses.dataclass
class Case:
    """One run. everybody: all hosts that are to get the files, of which the run may see some only."""

    downloads: list[Json]
    everybody: list[str]
    seen: list[str]
    batch: list[str]
    hosts: dict[str, Host]
    shares: dict[str, list[Json]]
    expected: Json
    limit: str
    missing: list[Json]

    def decide(self) -> Json:
        return decide_removal(
            self.downloads,
            self.seen,
            [name for name in self.seen if self.hosts[name].alive],
            self.batch,
            expected=self.expected,
            limit=self.limit,
            run=RUN,
            outcomes={name: self.outcome(name) for name in self.seen if self.hosts[name].outcome is not None},
            missing=self.missing,
        )

    def outcome(self, name: str) -> Json:
        """What the host came to, with its share where it has one."""
        found = self.hosts[name].outcome
        if not self.shares or not isinstance(found, dict):
            return found
        return {**found, "guids": [download["guid"] for download in self.shares[name]]}

    def is_to_get(self, name: str, guid: str) -> bool:
        if name not in self.seen:
            return True
        return not self.shares or any(download["guid"] == guid for download in self.shares[name])


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    everybody = [f"host-{number}" for number in range(draw(st.integers(1, 4)))]
    downloads = [record(guid) for guid in GUIDS[: draw(st.integers(1, 3))]]
    how = draw(st.sampled_from(["whole", "whole", "limit", "slice", "serial"]))
    some = [name for name in everybody if draw(st.booleans())] or everybody[:1]
    seen = some if how in ("limit", "slice") else everybody
    shares = distribute(downloads, seen) if draw(st.booleans()) else {}
    hosts = {
        name: draw(_hosts([one["guid"] for one in (shares[name] if shares and name in seen else downloads)]))
        for name in everybody
    }
    alive = [name for name in seen if hosts[name].alive]
    # Nothing tells a slice that it is one: without the list it cannot know.
    lists = how == "slice" or draw(st.booleans())
    return Case(
        downloads=draw(st.sampled_from([downloads, downloads, []])) if how == "whole" else downloads,
        everybody=everybody,
        seen=seen,
        batch=[name for name in alive if name in some] if how == "serial" else alive,
        hosts=hosts,
        shares=shares,
        expected=draw(st.sampled_from([everybody, "\n".join(everybody) + "\n"])) if lists else [],
        limit="some of them" if how == "limit" else "",
        missing=[{"name": "Zoë", "reason": "no backup"}] if draw(st.integers(0, 9)) == 0 else [],
    )


@given(_cases())
@examples(300, 10_000)
def test_no_honest_host_loses_a_file(case: Case) -> None:
    decision = case.decide()
    guids = [one["guid"] for one in case.downloads]
    assert decision["remove"] in ([], guids)
    assert bool(decision["remove"]) != bool(decision["keep"]) or not guids
    assert bool(decision["message"]) == bool(decision["keep"])
    for guid in decision["remove"]:
        for name, host in case.hosts.items():
            assert not host.honest or not case.is_to_get(name, guid) or guid in host.files, (name, guid)
    # And it does not keep them for nothing.
    is_whole = case.seen == case.everybody and case.batch == case.seen and (case.expected or not case.limit)
    if is_whole and guids and not case.missing and all(host.proved for host in case.hosts.values()):
        assert decision["remove"] == guids, decision["message"]


def one(result: Json, **more: Json) -> Json:
    """The decision about one download and one host."""
    names = ["host-1"]
    given = {"run": RUN, "outcomes": {"host-1": _outcome(result)}, **more}
    return decide_removal([record(GUIDS[0])], names, names, names, **given)


def test_proof() -> None:
    assert one({"files": [file(GUIDS[0])]})["remove"] == GUIDS[:1]


@pytest.mark.parametrize(
    ("doubt", "reason"),
    [
        ({"reason": "kept", "sha256": None}, "fetch_content_overwrite=never"),
        ({"sha256": None}, "no SHA-256"),
        ({"sha256": SHA256[1:]}, "no SHA-256"),
        ({"sha256": 7}, "no SHA-256"),
        ({"path": None}, "no path"),
        ({"path": ""}, "no path"),
        ({"verified": "none"}, "fetch_content_allow_unverified"),
        ({"reason": None}, "received or read"),
        ({"failed": True, "msg": "disk full"}, "disk full"),
        ({"guid": GUIDS[1]}, "does not name this file"),
    ],
)
def test_what_is_no_proof_is_said(doubt: Json, reason: str) -> None:
    decision = one({"files": [file(GUIDS[0], **doubt)]})
    (kept,) = decision["keep"]
    assert (kept["guid"], kept["entity"], kept["host"]) == (GUIDS[0], "Mailbox 0", "host-1")
    assert reason in kept["reason"]
    assert f"Mailbox 0 on host-1: {kept['reason']}." in decision["message"]
    assert "run the same play again" in decision["message"]


@pytest.mark.parametrize("field", ["guid", "path", "sha256"])
def test_an_entry_without_a_field_is_no_proof(field: str) -> None:
    """A module leaves a field out when a secret is a part of it."""
    entry = {name: value for name, value in file(GUIDS[0]).items() if name != field}
    decision = one({"files": [entry]})
    assert decision["keep"]
    assert decision["remove"] == []


def test_a_copy_of_what_nothing_verified_is_no_proof() -> None:
    """By its receipt it has the digest of the file at the relay or on the controller, whatever that is."""
    copied = {"files": [file(GUIDS[0])]}
    for level, removed in (("structure", GUIDS[:1]), ("none", [])):
        outcome = {**_outcome(copied), "source": {"files": [file(GUIDS[0], verified=level)]}}
        decision = one(copied, outcomes={"host-1": outcome})
        assert decision["remove"] == removed
    assert "where it was copied from: nothing verified" in decision["message"]


@pytest.mark.parametrize(("verified", "removed"), [(None, 1), ([], 0), (GUIDS[1:], 0), ([GUIDS[0].upper()], 1)])
def test_an_earlier_check_narrows_and_proves_nothing(verified: list[str] | None, removed: int) -> None:
    assert len(one({"files": [file(GUIDS[0])]}, verified=verified)["remove"]) == removed
    assert one({"files": [file(GUIDS[0], sha256=None)]}, verified=verified)["remove"] == []


def test_without_an_identity_nothing_is_of_this_run() -> None:
    for run in ("", None):
        assert one({}, run=run, outcomes={"host-1": _outcome({"files": [file(GUIDS[0])]}, run)})["keep"]


def test_check_mode_predicts_what_would_be_fetched_and_nothing_else() -> None:
    coming = {"guid": GUIDS[0], "changed": True, "reason": "missing", "path": None}
    assert one({"files": [coming]}, predicted=True)["remove"] == GUIDS[:1]
    assert one({"files": [coming]})["keep"]
    assert one({"files": [{**coming, "sha256": None}]}, predicted=True)["keep"]
    would_be_created = {"guid": None, "protected_entity": {"name": "Alice"}}
    nothing = decide_removal([would_be_created], ["a"], ["a"], ["a"], run=RUN, predicted=True)
    assert nothing["remove"] == nothing["keep"] == []
    assert decide_removal([would_be_created], ["a"], ["a"], ["a"], run=RUN)["keep"]


@pytest.mark.parametrize("expected", [["a", "b"], "a\n b \n\n", ["a\nb"]])
def test_hosts_may_be_listed_one_in_a_line(expected: Json) -> None:
    of_all = decide_removal([], ["a", "b", "c"], ["a"], ["a"], expected=expected, limit="a,b")
    assert of_all["keep"] == []
    refused = decide_removal([], ["a"], ["a"], ["a"], expected=expected)
    assert "fetch_content_expected_hosts" in refused["message"]
    assert "not in this run: b." in refused["message"]


def test_a_message_is_one_line_of_bounded_length() -> None:
    hosts = [f"host-{number}" for number in range(200)]
    evil = {"failed": True, "msg": "\x1b[2J\nok: [host-1]\u202e" + "x" * 100_000}
    downloads = [{**record(f"{number:036}"), "protected_entity": {"name": "A\nB"}} for number in range(300)]
    decision = decide_removal(downloads, hosts, hosts, hosts, run=RUN, outcomes=dict.fromkeys(hosts, _outcome(evil)))
    assert len(decision["keep"]) == 200 * 300
    assert len(decision["message"].encode()) < 3000
    assert decision["message"].isprintable()
    assert "A B, A B, A B and 297 more on host-0: " in decision["message"]
    shown = decision["message"].count(" and 297 more on host-")
    assert f" And {200 - shown} more." in decision["message"]
