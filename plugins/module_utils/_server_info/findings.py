# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: one for each assumption about the server, without anything of the server that may be personal.

The gate for words of the server is ``pick``: a word is repeated if it is in a list of ours, and counted otherwise.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._api import names
from .._api.decoding import Json
from .._api.transport import Observation

_GUID: t.Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_MOST_RECORDS: t.Final = 500  # whose keys are listed
_MOST_OTHERS: t.Final = 1000  # words that are counted
_KEYS: t.Final = names.RECORD_KEYS | names.ERROR_KEYS


class Question(t.NamedTuple):
    """One assumption. remains: unknown, whatever was seen."""

    id: str
    question: str
    default: str
    profile_key: str | None = None
    remains: str = ""


# A test compares these with the table of docs/assumptions.md.
QUESTIONS: t.Final = (
    # The session
    Question("session_check", "Does GET /session show that a session is open?", "any 2xx"),
    Question(
        "session_cookie",
        "Which cookies does a login set?",
        "cookies of any name, which are returned as they are",
        remains="Time-out and number of sessions, lock-out of accounts, and login with several factors.",
    ),
    Question("token_login", "Does POST /session/login-with-token open a session?", "as a login with a password"),
    Question("privileges", "May the account read all lists?", "no call is refused with 403"),
    # Answers
    Question("status_codes", "Which status has a success?", "any 2xx; the presence of a body decides its meaning"),
    Question("error_body", "Which key has the message of an error?", "message, or error.message"),
    Question("unknown_guid", "Which status does an unknown GUID get?", "400, 404 or 422"),
    Question("enum_shape", "Are constants objects or texts?", "objects with a name, or texts"),
    Question("guids", "Does every record have a GUID of 36 characters?", "yes"),
    # Lists
    Question("pages", "Do pages start at 0, without overlap?", "yes"),
    Question("page_size", "Does a page have as many records as requested?", "up to 500 records", "lists.page_size"),
    Question("total_count", "Which lists have the header X-Total-Count?", "lists with and without the header are read"),
    Question("unpaged_lists", "Does a list without page and size have all records?", "page and size are always sent"),
    Question("filters", "Which filters of GET /cloud-download are heeded?", "all of them"),
    Question("list_filters", "Which filters of other lists are heeded?", "records are compared again"),
    Question(
        "order_by",
        "Is orderBy heeded, with the field guid?",
        "orderBy is sent only where an option sets it",
        remains="The other fields.",
    ),
    Question("list_prefiltered", "Does GET /cloud-download list other mounts?", "records of other modes are left out"),
    Question("teams", "Which list has the teams?", "cloud-groups", "lists.teams"),
    Question("nodes", "Does GET /nodes list nodes with GUID and name?", "yes"),
    # Records of downloads, backups and tasks
    Question("record_keys", "Which documented keys do records of downloads have?", "at least guid and mode"),
    Question(
        "backup_of_download",
        "Does a record, or the filter backup, show the backup of a download?",
        "one of them does",
        remains="Whether a record shows the request that created the download.",
    ),
    Question("backup_statuses", "Which statuses do backups have?", "SUCCESS for backups that can be restored"),
    Question("task_types", "Which type has the task that prepares a download?", "RESTORE, MOUNT, UPLOAD or a new one"),
    Question("task_states", "Which states do tasks have?", "the five of the API documentation"),
    Question("task_link", "Does a task name its download?", "it need not"),
    Question("state_names", "Which states do downloads have?", "any"),
    Question("readiness", "Does finished-mount=true list the downloads that are ready?", "yes", "ready"),
    # Content
    Question(
        "content_source",
        "Which call returns the bytes?",
        "GET /cloud-download/{guid}; the other one is tried after it",
        "content.source",
    ),
    Question("content_headers", "Which headers does content have?", "all that are sent are used"),
    Question("content_format", "Which format has the content?", "zip or pst"),
    Question("unready_content", "Does content that is not ready look like a file?", "no"),
    # Requests
    Question("create_body", "Does POST /cloud-download understand the body?", "yes", "create.body"),
    Question(
        "create_batch",
        "Does a POST /cloud-download create downloads of several entities?",
        "yes",
        "create.batch",
        "A trial has one entity only.",
    ),
    Question(
        "create_visible",
        "Does a success of POST /cloud-download show a task or a download at once?",
        "within 15 seconds",
        "create.visible_within",
    ),
    Question(
        "update_body",
        "Does PUT /cloud-download/{guid} understand the body?",
        "yes",
        "update.body",
        "The check never sends this call, which is probably meant for the server's own nodes.",
    ),
    Question("deletion", "Does DELETE /cloud-download/{guid} remove a download?", "yes"),
    Question(
        "item_selection",
        "Can a request select items, dates or a password?",
        "not sent",
        remains="Reading cannot show this; the vendor's type page of the request does.",
    ),
    Question(
        "expiry",
        "How long does the server keep a download?",
        "until it is deleted",
        remains="The check does not wait for the end of a download.",
    ),
)
IDS: t.Final = frozenset(question.id for question in QUESTIONS)
_UNTRIED: t.Final = {
    "create_body": "Reading cannot show this. Run a trial with one entity.",
    "create_visible": "Reading cannot show this. Run a trial with one entity.",
    "deletion": "Reading cannot show this. Run a trial with one entity.",
    "token_login": "The check logged in without a token.",
}


@dataclass(frozen=True)
class Finding:
    """The answer to a question, in words of ours.

    holds: whether the default holds, None when that is unknown. value: of the profile key, where the default does not
    hold. seen: the response that shows it.
    """

    id: str
    found: str
    holds: bool | None = None
    value: Json = None
    seen: Observation | None = None


class Words(t.NamedTuple):
    """Words of the server that are in a list of ours, and the number of the others."""

    known: list[str]
    others: int

    def text(self, noun: str) -> str:
        """Return the words for a sentence, such as ``RESTORE and 1 other type``."""
        others = f"{self.others} other {noun}{'s' if self.others > 1 else ''}"
        parts = [*self.known, *([others] if self.others else [])]
        return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "none"


def pick(words: t.Iterable[t.Any], allowed: t.Collection[str]) -> Words:
    """Separate words of the server, each taken once; what is no text counts as another word."""
    texts = {word if isinstance(word, str) else type(word).__name__ + " " for word in words}
    return Words(sorted(texts & set(allowed)), min(len(texts - set(allowed)), _MOST_OTHERS))


def records_of(body: Json) -> list[dict[str, Json]]:
    """Return the records of a list; an answer of another shape has none."""
    return [record for record in body if isinstance(record, dict)] if isinstance(body, list) else []


def results(found: t.Iterable[Finding]) -> list[dict[str, Json]]:
    """Return a result for each question, also for those without a finding; the last finding counts."""
    by_id = {finding.id: finding for finding in found}
    return [_result(question, by_id.get(question.id)) for question in QUESTIONS]


def _result(question: Question, finding: Finding | None) -> dict[str, Json]:
    remains = [question.remains]
    if finding is None or finding.holds is None:
        remains.insert(0, _UNTRIED.get(question.id, ""))
    return {
        "id": question.id,
        "question": question.question,
        "default": question.default,
        "found": finding.found if finding else "not seen",
        "holds": finding.holds if finding else None,
        "profile_key": question.profile_key,
        "value": finding.value if finding else None,
        "seen": _describe(finding.seen) if finding and finding.seen else None,
        "remains": " ".join(filter(None, remains)),
    }


def _describe(seen: Observation) -> dict[str, Json]:
    records = records_of(seen.body)[:_MOST_RECORDS] or ([seen.body] if isinstance(seen.body, dict) else [])
    keys = pick((key for record in records for key in record), _KEYS)
    spelling = {name.lower(): name for name in names.HEADERS}
    headers = pick((spelling.get(name.lower(), name) for name in seen.headers), names.HEADERS)
    return {
        "method": seen.method,
        "path": _GUID.sub("{guid}", seen.path),
        "status": seen.status,
        "headers": headers.known,
        "other_headers": headers.others,
        "record_keys": keys.known,  # not "keys", which a template cannot read with a dot
        "other_keys": keys.others,
    }
