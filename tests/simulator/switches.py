# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every doubt about the real server as one named switch: the table that start-up, control side and help share."""

from __future__ import annotations

import json
import math
import re
import textwrap
import typing as t
from dataclasses import dataclass

from tests.simulator import templates

Value = t.Union[str, bool, float, int, "list[str]", "dict[str, t.Any]"]


@dataclass(frozen=True)
class Switch:
    """One way in which the real server may differ.

    default: what the vendor documents or, failing that, what a client was seen to rely on.
    allowed: the closed list of a choice; empty for the other kinds.
    why: what is not known, and where the doubt is written.
    kind: choice, flag (true or false), seconds (number from 0), count (whole number from 0), text, words, list (of
        texts) or template (of a request body).
    """

    name: str
    default: Value
    allowed: tuple[str, ...]
    why: str
    kind: str = "choice"

    def check(self, value: t.Any) -> Value:
        """The value in its own type, from JSON or from a command line's text. ValueError says what is allowed."""
        checked = _CHECKS[self.kind](self, value)
        if checked is None:
            raise ValueError(f"switch {self.name}: {value!r} is not allowed, expected {self.expected()}")
        return checked

    def expected(self) -> str:
        """The allowed values in words."""
        return " | ".join(self.allowed) if self.allowed else _EXPECTED[self.kind]


def _choice(switch: Switch, value: t.Any) -> Value | None:
    return str(value) if not isinstance(value, bool) and str(value) in switch.allowed else None


def _flag(switch: Switch, value: t.Any) -> Value | None:
    return {"true": True, "false": False}.get(str(value).lower()) if isinstance(value, (bool, str)) else None


def _seconds(switch: Switch, value: t.Any) -> Value | None:
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) and number >= 0 else None


def _count(switch: Switch, value: t.Any) -> Value | None:
    if isinstance(value, str):
        value = int(value) if value.isdecimal() else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(switch: Switch, value: t.Any) -> Value | None:
    return value if isinstance(value, str) and value.isidentifier() else None


def _words(switch: Switch, value: t.Any) -> Value | None:
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z0-9_ -]+", value) else None


def _list(switch: Switch, value: t.Any) -> Value | None:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else None


def _template(switch: Switch, value: t.Any) -> Value | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) and templates.is_known(value) else None


_CHECKS: dict[str, t.Callable[[Switch, t.Any], Value | None]] = {
    "choice": _choice,
    "flag": _flag,
    "seconds": _seconds,
    "count": _count,
    "text": _text,
    "words": _words,
    "list": _list,
    "template": _template,
}
_EXPECTED = {
    "flag": "true | false",
    "seconds": "seconds, 0 or more",
    "count": "a whole number, 0 or more",
    "text": "a name of letters, digits and underscores",
    "words": "letters, digits, underscores, dashes and spaces",
    "list": "a list of texts (a,b,c on the command line)",
    "template": f"a JSON object with the placeholders {', '.join(sorted(templates.PLACEHOLDERS))}",
}


def _flag_switch(name: str, default: bool, why: str) -> Switch:
    return Switch(name, default, ("true", "false") if default else ("false", "true"), why, "flag")


def _choice_switch(name: str, allowed: str, why: str) -> Switch:
    values = tuple(allowed.split("|"))
    return Switch(name, values[0], values, why)


_SHAPE = (
    _choice_switch("post_status", "201|200", "the printed status codes are not trustworthy; JAX-RS would answer 200"),
    _choice_switch("put_answer", "body|empty|204_with_body", "printed as 204 with a body, which HTTP does not allow"),
    _choice_switch(
        "delete_answer", "body|empty|accepted|204_with_body", "printed as 204 with a body; accepted is 202 with a body"
    ),
    _choice_switch("enum_style", "object|string", "one vendor page prints enums as bare strings"),
    _choice_switch("absent_fields", "omitted|null", "no source says whether a field without a value is sent as null"),
    _choice_switch("error_body", "message|nested|html|empty|quarkus", "only `message` is known; a proxy answers HTML"),
    _choice_switch("guid_style", "uuid|number|path", "guids are UUIDs in all samples; a number or a path is none"),
)
_REQUESTS = (
    Switch("create_body", templates.CREATE, (), "CreateCloudDownloadRequest is printed without keys", "template"),
    _choice_switch("create_batch", "all|one", "a list of objects is printed; clients send one entity a request"),
    Switch("update_body", {}, (), "UpdateDownloadRequest is printed without keys (empty = any keys)", "template"),
    _choice_switch(
        "unknown_body",
        "400|dropped|500|422",
        "the answer to a body of another shape; all but 400 drop unknown keys first (dropped: then 200 and [])",
    ),
)
_TASKS = (
    _choice_switch("task_link", "none|mounted_backup", "no page shows how a task names its download"),
    _flag_switch("task_per_entity", True, "POST answers an array, but one task for each object is an inference"),
    _choice_switch("task_type", "RESTORE|MOUNT|UPLOAD", "the closed list of task types has none for downloads"),
    _flag_switch("fail_deletes", False, "a removal is a task, so it may fail"),
    _flag_switch("slow_cancel", False, "a cancelled task may go on until its step ends"),
    Switch("fail_entities", [], (), "some of several tasks may fail: names, e-mails or guids", "list"),
    Switch("purge_after", 3600.0, (), "finished tasks vanish after a configured time (0 = at once)", "seconds"),
    Switch("queue_seconds", 2.0, (), "how long a task waits before it runs", "seconds"),
    Switch("run_seconds", 6.0, (), "how long a download is prepared", "seconds"),
    Switch("delete_seconds", 2.0, (), "how long a removal takes", "seconds"),
    Switch("window_seconds", 28800.0, (), "a task that has not started inside its window fails", "seconds"),
)
_DOWNLOADS = (
    _choice_switch("record_fields", "all|guid_and_mode", "the vendor prints downloads with guid and mode only"),
    _choice_switch("entity_in_record", "always|never", "downloads, backups and tasks are printed without their entity"),
    _choice_switch("backup_in_record", "always|sometimes|never", "a record's backup can be missing"),
    _choice_switch("backup_link", "shown|filtered|none", "whether the server shows of which backup a download is"),
    _choice_switch(
        "newest_backup", "FAILED|PARTIAL_SUCCESS", "the vendor's client lists partial backups as restore points"
    ),
    Switch(
        "expired_entities",
        [],
        (),
        "old backups are removed, downloads of them may stay: names, e-mails or guids",
        "list",
    ),
    Switch("ready_state", "FINISHED", (), "state names of mounted backups are not documented (absent = none)", "words"),
    _choice_switch("failed_download", "gone|kept", "what the list shows of a download whose task failed is not known"),
    _choice_switch("delete_unready", "accepted|409", "whether a download can be deleted while it is made is not known"),
    Switch("expire_downloads", 0.0, (), "how long a download is kept is not known (0 = for ever)", "seconds"),
    Switch("list_lag", 0.0, (), "the list may learn of a change later than the task", "seconds"),
)
_LISTS = (
    _flag_switch("list_prefiltered", True, "GET /cloud-download without mode may show mounts that are no downloads"),
    _choice_switch("finished_mount", "heeded|empty", "clients have stopped using the filter; empty: it lists nothing"),
    _choice_switch("finished_mount_false", "unfinished|all", "the effect of finished-mount=false is not known"),
    Switch("ignored_filters", [], (), "no list was seen to heed its filters: parameters without effect", "list"),
    _choice_switch("bad_order_by", "400|ignore", "the answer to an unknown orderBy is not known"),
    _choice_switch("name_like", "name|name_and_email", "which fields nameLike searches is not known"),
    _choice_switch("name_like_case", "insensitive|sensitive", "the case rules of nameLike and filter are not known"),
    _choice_switch("filter_fields", "all|name", "which columns the free text filter searches is not known"),
    _choice_switch("teams", "cloud-groups|cloud-protected-entities", "teams have no page: which list has them"),
    _choice_switch("teams_group_absent", "all|plain", "what /cloud-groups lists without teams-group is not known"),
    _choice_switch("total_count", "paged|always|never", "X-Total-Count is seen on paged calls; unpaged is unknown"),
    _choice_switch(
        "page_quirk",
        "none|repeat|ignore_size|moving_total|growing|shrinking",
        "lists may change and misbehave while read",
    ),
    Switch("max_page_size", 0, (), "a larger size may be cut silently (0 = never)", "count"),
    Switch(
        "default_page_size", 0, (), "the server has such a setting: of lists without page and size (0 = all)", "count"
    ),
)
_CONTENT = (
    Switch("content_size", 1048576, (), "bytes of each download made from now on", "count"),
    _choice_switch("download", "bytes|object", "GET {guid} is printed as octet-stream of type object"),
    _choice_switch("content_download", "bytes|object", "printed as an empty JSON object; Uni<Void> suggests bytes"),
    _choice_switch("not_ready", "404|409|204|empty", "the answer for content that is not ready is not known"),
    _choice_switch("content_disposition", "quoted|plain|underscores|extended|none", "no page shows the header"),
    _flag_switch("content_length", True, "no page shows the header; without it the answer is chunked"),
    _choice_switch("content_type", "octet|zip", "the real type (application/zip or Outlook's) may be sent instead"),
    _choice_switch("ranges", "full|none|refused", "no page speaks of Range, ETag or If-Range; filters block them"),
)
_SESSIONS = (
    Switch("cookie_name", "JSESSIONID", (), "no client names the session cookie", "text"),
    _choice_switch("bad_login_status", "400|401", "the vendor's role shows 400, a filter may answer 401"),
    Switch("session_timeout", 1800.0, (), "idle seconds until a session ends; no default is known", "seconds"),
    Switch("max_sessions", 0, (), "parallel sessions; a login beyond them gets 503 (0 = any number)", "count"),
    Switch("drop_session_after", 0, (), "API calls after which every session ends, once (0 = never)", "count"),
    Switch("lock_after", 0, (), "bad logins in a row that lock the account with 403 (0 = never)", "count"),
    Switch("token_logins", 0, (), "logins that a token is good for; unknown (0 = any number)", "count"),
    Switch("forbidden", [], (), "privileges are unknown: operations that get 403, as 'POST /tasks'", "list"),
    Switch("start_delay", 0.0, (), "seconds from now in which every call gets start_status", "seconds"),
    _choice_switch("start_status", "503|502", "what a proxy or a starting server answers"),
)

GROUPS = {
    "The shape of answers": _SHAPE,
    "Request bodies": _REQUESTS,
    "Tasks": _TASKS,
    "Downloads and backups": _DOWNLOADS,
    "Lists": _LISTS,
    "Content": _CONTENT,
    "Sessions and availability": _SESSIONS,
}
TABLE: tuple[Switch, ...] = tuple(switch for group in GROUPS.values() for switch in group)
BY_NAME = {switch.name: switch for switch in TABLE}


class Switches:
    """The values that hold now."""

    def __init__(self, values: t.Mapping[str, t.Any] | None = None) -> None:
        self._values: dict[str, Value] = {switch.name: switch.default for switch in TABLE}
        self.set(values or {})

    def set(self, values: t.Mapping[str, t.Any]) -> None:
        """Change some switches: all of them or, on a ValueError that names the bad one, none."""
        unknown = sorted(set(values) - set(BY_NAME))
        if unknown:
            raise ValueError(f"unknown switch {unknown[0]!r}; known: {', '.join(sorted(BY_NAME))}")
        self._values.update({name: BY_NAME[name].check(value) for name, value in values.items()})

    def values(self) -> dict[str, Value]:
        """All values, as JSON types."""
        return dict(self._values)

    def text(self, name: str) -> str:
        """The value of a choice or a text."""
        return str(self._values[name])

    def flag(self, name: str) -> bool:
        """The value of a flag."""
        return self._values[name] is True

    def number(self, name: str) -> float:
        """The value of a number of seconds."""
        return float(t.cast(float, self._values[name]))

    def count(self, name: str) -> int:
        """The value of a count."""
        return int(t.cast(int, self._values[name]))

    def names(self, name: str) -> list[str]:
        """The value of a list."""
        return list(t.cast("list[str]", self._values[name]))

    def template(self, name: str) -> dict[str, t.Any]:
        """The value of a template."""
        return t.cast("dict[str, t.Any]", self._values[name])


def describe() -> str:
    """The table as text for people, group by group."""
    return "\n\n".join(f"{title}\n\n{_describe(group)}" for title, group in GROUPS.items())


def overview() -> str:
    """Return the names, group by group."""
    wrapper = textwrap.TextWrapper(100, initial_indent="  ", subsequent_indent="    ")
    lines = (f"{title}: {', '.join(switch.name for switch in group)}" for title, group in GROUPS.items())
    return "\n".join(map(wrapper.fill, lines))


def as_text(value: t.Any) -> str:
    """Return a value as the command line takes it."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _describe(group: t.Iterable[Switch]) -> str:
    return "\n".join(
        f"{switch.name} = {as_text(switch.default) or '(empty)'}\n    {switch.expected()}\n    {switch.why}"
        for switch in group
    )
