# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receipt beside a file: what the file is and where it came from, and valid input for ``sha256sum -c``.

It vouches only for a file that still has its digest; a receipt that is lost, damaged or of another file merely leads
to a new download.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import stat
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ..verification import LEVELS
from .directory import NAME_LIMIT, Directory, truncate_name

_SUFFIX: t.Final = ".sha256"
_LARGEST: t.Final = 16 * 1024  # bytes; a receipt has some 600
_LINE: t.Final = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
# No longer than they have to be: others may have put a hundred thousand receipts there, which an audit keeps in memory.
_COMMENT: t.Final = re.compile(rb"# ([a-z]+): ([!-~]{1,64})")
_MOST_TEXT: t.Final = 600  # characters of a value of an origin with its escapes
_ORIGIN: t.Final = re.compile(rb"# ([a-z-]{4,11}): ([!-~]{1,%d})" % _MOST_TEXT)
# Characters of a value of an origin: others may have put a hundred thousand receipts there.
_MOST_ORIGIN: t.Final = 64
_MOST_NAME: t.Final = 200  # and of a name or an address; longer ones are cut
_SAFE: t.Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}~"  # stay as they are in a value, unlike spaces and the percent sign
# The download of each receipt in a directory, by its name and number: one that is replaced is another file.
Known = dict[tuple[str, int], str]
# How coreutils writes names that do not fit in a line (md5sum's manual, "backslash").
_ESCAPES: t.Final = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_UNESCAPES: t.Final = {escape: character for character, escape in _ESCAPES.items()}


@dataclass(frozen=True)
class Origin:
    """Origin of the content of a file, as far as it was known during the transfer.

    server: URL of its API. entity, entity_name: protected entity. mode: of the download. backup: GUID. backup_time:
    ISO 8601 in UTC. request: digest of the fields that were added to the request for the download.
    """

    server: str | None = None
    entity: str | None = None
    entity_name: str | None = None
    mode: str | None = None
    backup: str | None = None
    backup_time: str | None = None
    request: str | None = None


_NOTHING: t.Final = Origin()


@dataclass(frozen=True)
class Receipt:
    """name: of the file. guid: of the download, in lower case. verified: the level reached when it came.

    time: when it came, ISO 8601 in UTC, as far as the receipt says; the same file may have come at any time.
    uid: the number of its owner; None while it was not read from a directory. mtime_ns: when it was written.
    """

    name: str
    guid: str
    size: int
    sha256: str
    verified: str
    origin: Origin = _NOTHING
    time: str | None = field(default=None, compare=False)
    uid: int | None = field(default=None, compare=False)
    mtime_ns: int = field(default=0, compare=False)

    @property
    def fetch_order(self) -> tuple[str, int, str]:
        """Key by which receipts are sorted in the order in which their files were fetched."""
        return self.time or "", self.mtime_ns, self.name


def receipt_name(name: str) -> str:
    """The name of the receipt for the file with this name."""
    return truncate_name(name, _SUFFIX)


def render(receipt: Receipt, now: datetime.datetime) -> bytes:
    """The receipt as it is written. now: an aware time."""
    time = now.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = os.fsencode(receipt.name)
    escaped = re.sub(rb"[\\\n\r]", lambda match: _ESCAPES[match.group()], name)
    mark = b"\\" if escaped != name else b""
    comments = f"# guid: {receipt.guid}\n# size: {receipt.size}\n# time: {time}\n# verified: {receipt.verified}\n"
    return comments.encode() + _render_origin(receipt.origin) + mark + receipt.sha256.encode() + b"  " + escaped + b"\n"


def _render_origin(origin: Origin) -> bytes:
    """A comment for each known value, in ASCII: a name may have any characters."""
    values = {name: value[: _longest(name)] for name, value in vars(origin).items() if value}
    texts = {
        name.replace("_", "-"): urllib.parse.quote(value, safe=_SAFE, errors="replace")
        for name, value in values.items()
    }
    # A value that grows too long by its escapes is left out: a part of it could be that of another.
    return b"".join(f"# {key}: {text}\n".encode() for key, text in texts.items() if len(text) <= _MOST_TEXT)


def _parse_origin(lines: t.Iterable[bytes]) -> Origin:
    found = {m.group(1).decode(): m.group(2).decode() for m in map(_ORIGIN.fullmatch, lines) if m}
    names = (field.name for field in dataclasses.fields(Origin))
    texts = {name: found.get(name.replace("_", "-")) for name in names}
    values = {name: urllib.parse.unquote(text) for name, text in texts.items() if text}
    return Origin(**{name: value for name, value in values.items() if len(value) <= _longest(name)})


def as_stored(origin: Origin) -> Origin:
    """An origin as a receipt has it, in which long values are cut or left out."""
    return _parse_origin(_render_origin(origin).splitlines())


def _longest(name: str) -> int:
    return _MOST_NAME if name in ("server", "entity_name") else _MOST_ORIGIN


def parse(data: bytes) -> Receipt | None:
    """The receipt in these bytes; None if they are no receipt of ours or a damaged one."""
    if len(data) > _LARGEST:
        return None
    lines = data.split(b"\n")[:-1]  # a last line without an end is cut
    comments = {m.group(1): m.group(2).decode() for m in map(_COMMENT.fullmatch, lines) if m}
    digests = [m for m in map(_LINE.fullmatch, lines) if m]
    size = comments.get(b"size", "")
    name = _unescape(digests[0]) if len(digests) == 1 else b""
    if not _is_component(name) or b"guid" not in comments or not re.fullmatch(r"[0-9]{1,19}", size):
        return None
    return Receipt(
        name=os.fsdecode(name),
        guid=comments[b"guid"].lower(),
        size=int(size),
        sha256=digests[0].group(2).decode(),
        verified=comments[b"verified"] if comments.get(b"verified") in LEVELS else "none",
        origin=_parse_origin(lines),
        time=comments.get(b"time"),
    )


def read(directory: Directory, name: str) -> Receipt | None:
    """The receipt of the file with this name, if there is a good one of a user whom the directory trusts."""
    found = beside(directory, name)
    return found if found and is_trusted(directory, found) else None


def find(directory: Directory, guid: str, known: Known | None = None) -> Receipt | None:
    """The trusted receipt of this download, wherever in the directory; one whose file is there comes first.

    known: of earlier calls for this directory, which are not read again, and of this one for later ones.
    """
    found = list(_of_download(directory, guid.lower(), {} if known is None else known))
    return next((receipt for receipt in found if directory.stat(receipt.name)), found[0] if found else None)


def _of_download(directory: Directory, guid: str, known: Known) -> t.Iterator[Receipt]:
    guids = {
        entry: known[entry] if entry in known else _guid_in(directory, entry[0])
        for entry in directory.entries()
        if entry[0].endswith(_SUFFIX)
    }
    known.clear()
    known.update(guids)
    for name, _number in sorted(entry for entry, found in guids.items() if found == guid):
        receipt = _read(directory, name)
        if receipt and receipt.guid == guid and receipt_name(receipt.name) == name and is_trusted(directory, receipt):
            yield receipt


def _guid_in(directory: Directory, entry: str) -> str:
    """The download of a receipt; empty if it is not a good one of a user whom the directory trusts."""
    there = directory.stat(entry)
    receipt = _read(directory, entry) if there and directory.trusts(there.st_uid) else None
    return receipt.guid if receipt else ""


def beside(directory: Directory, name: str) -> Receipt | None:
    """The good receipt of the file with this name, of any owner."""
    receipt = _read(directory, receipt_name(name))
    return receipt if receipt and receipt.name == name else None


def all_in(directory: Directory, *, most_foreign: int | None = None) -> t.Iterator[Receipt]:
    """The good receipts in the directory, by their names, of any owner; each beside its file.

    most_foreign: how many of users whom the directory does not trust are read, who may have put any number there.
    """
    foreign = 0
    for entry in _entries(directory):
        if most_foreign is not None and _is_foreign(directory, entry):
            foreign += 1
            if foreign > most_foreign:
                continue
        receipt = _read(directory, entry)
        if receipt and receipt_name(receipt.name) == entry:
            yield receipt


def count(directory: Directory) -> int:
    """How many names in the directory are those of receipts, whatever has them."""
    return len(_entries(directory))


def _entries(directory: Directory) -> list[str]:
    return [name for name in directory.names() if name.endswith(_SUFFIX)]


def file_of(directory: Directory, receipt: Receipt) -> os.stat_result | None:
    """The regular file that a receipt describes, by its size alone; None for another one, and one of another user."""
    found = directory.stat(receipt.name)
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != receipt.size:
        return None
    return found if directory.trusts(found.st_uid) else None


def _is_foreign(directory: Directory, entry: str) -> bool:
    found = directory.stat(entry)
    return found is not None and not directory.trusts(found.st_uid)


def is_trusted(directory: Directory, receipt: Receipt) -> bool:
    """Whether the receipt was read from the directory, and is of a user whom that trusts."""
    return receipt.uid is not None and directory.trusts(receipt.uid)


def in_file(fd: int) -> Receipt | None:
    """The receipt in an open file; None if there is no good one in it. Raises OSError."""
    data = os.pread(fd, _LARGEST + 1, 0)
    receipt = parse(data) if len(data) <= _LARGEST else None
    found = os.fstat(fd)
    return receipt and dataclasses.replace(receipt, uid=found.st_uid, mtime_ns=found.st_mtime_ns)


def _read(directory: Directory, entry: str) -> Receipt | None:
    try:
        with directory.reading(entry) as fd:
            return in_file(fd)
    except OSError:
        return None


def _unescape(line: re.Match[bytes]) -> bytes:
    """The name in a digest line; empty when it is written in a way that coreutils would not write."""
    name: bytes = line.group(3)
    if not line.group(1):
        return name
    parts = re.split(rb"(\\.?)", name)
    if any(part.startswith(b"\\") and part not in _UNESCAPES for part in parts):
        return b""
    return b"".join(_UNESCAPES.get(part, part) for part in parts)


def _is_component(name: bytes) -> bool:
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name and len(name) <= NAME_LIMIT
