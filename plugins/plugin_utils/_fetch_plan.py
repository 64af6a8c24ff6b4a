# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content that hosts want, hold and lack, and where each of them gets it from.

Pure. Made of the state that the role fetch_content has left in the variables of the hosts: the downloads that a request
is about, in the order of its ``wanted`` records, and for each host the file that it holds for each of these records.
"""

from __future__ import annotations

import typing as t

from ..module_utils._argspec import is_guid, is_sha256
from ..module_utils._progress import format_amount
from ._play import Play, Record, mapping, records_in
from ._shares import distribute

Files = t.Sequence[t.Optional[Record]]  # for each wanted record the intact file, or None


class Request(t.NamedTuple):
    """What hosts ask for together.

    asker: the host that asks for all of them. options: its. wanted: records as they go to modules. downloads: for each
    of them the record of the download on the server, or None while there is none. sizes: of their backups, or None.
    """

    asker: str
    options: Record
    wanted: t.Sequence[Record]
    downloads: t.Sequence[Record | None]
    sizes: t.Sequence[int | None]

    @property
    def creates(self) -> bool:
        """Whether downloads that do not exist are created."""
        return bool(self.options.get("creates") and not self.options.get("guids"))


# --- What is wanted ---


def searches(play: Play, host: str, batch: t.Container[str]) -> bool:
    """Return whether the server is searched for what hosts may have: not if each place has said that it has nothing.

    The places are those of all hosts for which the same host asks: one that hides its files hides no others.

    batch: the hosts that run the role now.
    """
    asker = str(play.state(host, "asker") or "")
    options = play.record(asker, "options")
    sharers = (options.get("expected_hosts") or play.hosts) if options.get("distribute") else ()
    here = batch if options.get("lockstep") else (host,)
    if options.get("searches") is not False or not all(name in here for name in sharers):
        return True
    looks = [play.record(name, "looked") for name in _hosts_of(play, asker)]
    looks += [play.record(asker, "spool_looked")] if options.get("via") == "controller" else []
    return not all(look.get("receipts") == 0 and look.get("files") == [] for look in looks)


def is_searched(play: Play, host: str) -> bool:
    """Return whether the server is searched for the host, or everything is prepared without."""
    return play.record(host, "search").get("needed") is not False


def wanted_records(play: Play, asker: str) -> list[dict[str, t.Any]]:
    """Return the records that the hosts compare their receipts with, from the search on the server.

    Without a backup where any will do. Of GUIDs, also those of downloads that the server does not have. Without a
    search, of what was prepared and of what could not be.
    """
    options = play.record(asker, "options")
    found = play.records(asker, "seen", "cloud_downloads") if is_searched(play, asker) else _asked_for(play, asker)
    if options.get("guids"):
        known = {_lower(record.get("guid")): record for record in found}
        guids = dict.fromkeys(str(guid).lower() for guid in options["guids"])
        found = [known.get(guid, {"guid": guid}) for guid in guids]
    any_backup = {} if options.get("backup") else {"backup": None}
    return [{**slim(record, options), **any_backup} for record in found]


def _asked_for(play: Play, asker: str) -> list[Record]:
    failures = play.records(asker, "prepared", "failures")
    entities = [{"guid": failure.get("protected_entity"), "name": failure.get("name")} for failure in failures]
    return [*play.records(asker, "prepared", "cloud_downloads"), *({"protected_entity": one} for one in entities)]


def request_of(play: Play, host: str) -> Request:
    """Return what the host asks for, with the downloads that are known now."""
    asker = str(play.state(host, "asker") or "")
    options = play.record(asker, "options")
    wanted = play.records(asker, "wanted", "records") or wanted_records(play, asker)
    by_key: dict[str | None, Record] = {}
    sizes: dict[str | None, t.Any] = {}
    for backup in play.records(asker, "seen", "backups"):
        sizes[_lower(mapping(backup.get("protected_entity")).get("guid"))] = backup.get("size")
    for name in ("seen", "prepared"):
        for record in play.records(asker, name, "cloud_downloads"):
            key = _key(record, options)
            # Check mode lists downloads that do not exist. After it, only the predictions of `prepared` remain.
            if record.get("guid") or name == "prepared":
                by_key[key] = record
            sizes[key] = mapping(record.get("backup")).get("size") or sizes.get(key)
    keys = [_key(record, options) for record in wanted]
    known_sizes = [size if isinstance(size := sizes.get(key), int) else None for key in keys]
    return Request(asker, options, wanted, [by_key.get(key) for key in keys], known_sizes)


def _key(record: Record, options: Record) -> str | None:
    """Return what identifies a record in a request: one download an entity, or one a GUID."""
    return _lower(record.get("guid") if options.get("guids") else mapping(record.get("protected_entity")).get("guid"))


def slim(record: Record, options: Record) -> dict[str, t.Any]:
    """Return the part of a record that modules on hosts need."""
    entity, backup = mapping(record.get("protected_entity")), mapping(record.get("backup"))
    return {
        "guid": record.get("guid"),
        "protected_entity": {name: entity.get(name) for name in ("guid", "name")},
        "mode": record.get("mode") or options.get("mode"),
        "backup": {"guid": backup.get("guid"), "backup_time": backup.get("backup_time"), "size": record.get("size")},
        "request": options.get("request_digest"),
    }


def _lower(value: t.Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


# --- What hosts hold and lack ---


def lacks(play: Play, host: str) -> dict[str, t.Any]:
    """Return what the server has to prepare, and warnings.

    Returns:
        number: of files that the host lacks. prepare: for the host that asks, the wanted records that no receipt on
        hosts, relays or spool has. entities: of these, as they were given. guids: of their downloads, as far as there
        are some.
        short: a warning about the free space, or an empty text. shares: of each host, if files are distributed.
    """
    request = request_of(play, host)
    shares = _shares(play, host, request)
    own = held(play, host, request)
    lacking = [i for i in _share(shares, host, request) if own[i] is None]
    found: dict[str, t.Any] = {"number": len(lacking), "prepare": [], "entities": [], "guids": [], "shares": shares}
    found["short"] = _shortage(play, host, [request.sizes[i] for i in lacking])
    if host == request.asker:
        needed = [i for i in sorted(_needed(play, host, shares, request)) if request.creates or request.downloads[i]]
        found["prepare"] = [request.wanted[i] for i in needed]
        found["entities"] = _as_given(play, request, found["prepare"])
        found["guids"] = [guid for i in needed if (guid := (request.downloads[i] or {}).get("guid"))]
    return found


def _as_given(play: Play, request: Request, records: t.Iterable[Record]) -> list[str]:
    """Return the entities of these records as the user names them: so they are named in messages and in the request."""
    guids = [str(_key(record, request.options)) for record in records]
    guid_of = {
        name: _lower(entity.get("guid"))
        for entity in play.records(request.asker, "seen", "protected_entities")
        for name in (entity.get("name"), entity.get("email"))
    }
    given = {str(text): guid_of.get(text, _lower(text)) for text in request.options.get("protected_entities") or ()}
    named = {guid: text for text, guid in given.items()}
    return [named.get(guid, guid) for guid in guids]  # the server need not name all of them


def _needed(play: Play, asker: str, shares: t.Mapping[str, list[int]], request: Request) -> set[int]:
    """Return the indexes of what the server has to prepare for all hosts with this request."""
    if shares and _are_in_play(play, shares):
        # What nobody has, also of hosts that are lost: the shares depend on sizes, which are known only afterwards.
        places = [held(play, host, request) for host in shares]
        places += [held(play, "", request)] if request.options.get("via") == "controller" else []
        return {i for i in range(len(request.wanted)) if all(files[i] is None for files in places)}
    return _needs_of_all(play, asker, shares, request)


def _needs_of_all(play: Play, asker: str, shares: t.Mapping[str, list[int]], request: Request) -> set[int]:
    """Return the indexes of what the server has to provide for all hosts for which this one asks."""
    hosts = _hosts_of(play, asker)
    return {index for host in hosts for index in _needs(play, host, _share(shares, host, request), request)}


def _hosts_of(play: Play, asker: str) -> list[str]:
    return [host for host in play.company() if play.state(host, "asker") == asker]


def _are_in_play(play: Play, hosts: t.Iterable[str]) -> bool:
    """Return whether these hosts take part: none of them is left out by a limit or a slice."""
    return set(hosts) <= set(play.hosts)


def held(play: Play, host: str, request: Request) -> Files:
    """Return the intact file of a host for each wanted record. A host that was not looked at holds nothing."""
    return _intact(_look(play, host, request), request)


def _look(play: Play, host: str, request: Request) -> Record:
    """Return what a host, or for an empty name the spool, has said of its files."""
    if not host:
        return play.record(request.asker, "spool_looked")
    if play.state(host, "asker") == request.asker:
        return play.record(host, "looked")
    for found in play.records(request.asker, "looked_elsewhere", "results"):
        if found.get("_fetch_content_item") == host:
            return found
    return {}


def _intact(looked: Record, request: Request) -> Files:
    files = records_in(looked.get("files"))
    if request.options.get("overwrite") == "always" or len(files) != len(request.wanted):
        return [None] * len(request.wanted)
    return [file if file.get("state") == "intact" and _is_complete(file) else None for file in files]


def _is_complete(file: Record) -> bool:
    """Return whether an entry of a host has the values of a file that is there; other hosts may copy it by them."""
    guid, path, sha256 = (str(file.get(name)) for name in ("guid", "path", "sha256"))
    return is_guid(guid) and path.startswith("/") and is_sha256(sha256)


def _needs(play: Play, host: str, indexes: t.Iterable[int], request: Request) -> list[int]:
    """Return the indexes of what the server has to provide for this host. Of one that cannot be reached, nothing."""
    if _is_lost(play, host):
        return []
    own, source = held(play, host, request), source_of(play, host, request)
    return [i for i in indexes if own[i] is None and (source is None or source[i] is None)]


def source_of(play: Play, host: str, request: Request) -> Files | None:
    """Return the files of the place from which the host copies; None for a host that fetches from the server."""
    via = play.record(host, "options").get("via")
    if via == "controller":
        return held(play, "", request)
    relay = relay_of(play, host) if via == "relay" else host
    return None if relay == host else held(play, relay, request)


def relay_of(play: Play, host: str) -> str:
    """Return the first reachable one of neighbours that ask for the same; the host itself if there is none."""
    neighbours = play.record(host, "options").get("neighbours")
    for other in play.hosts:
        looked = play.record(other, "looked")
        # With the strategy free, a neighbour may have failed after its receipts were counted.
        has_failed = any(play.record(other, name).get("failed") for name in ("seen", "prepared"))
        if play.record(other, "options").get("neighbours") == neighbours and "files" in looked and not has_failed:
            return other
    return host


def _is_lost(play: Play, host: str) -> bool:
    """Return whether the host could not be reached when it was looked at."""
    return bool(play.record(host, "looked").get("unreachable"))


# --- Shares, and the space that they need ---


def _shares(play: Play, host: str, request: Request) -> dict[str, list[int]]:
    """Return the indexes of each host if files are distributed, otherwise nothing.

    What lies on a host stays there, and a new backup goes to the host with the one before.
    """
    if not request.options.get("distribute"):
        return {}
    sharers = _sharing_hosts(play, host, request)
    before = mapping(play.record(host, "lacks").get("shares"))
    if before and not _are_in_play(play, sharers):
        return t.cast("dict[str, list[int]]", before)  # only their part of it was prepared
    # By what identifies it: the GUID of a download is another one after it was removed.
    keys = [str(_key(record, request.options)) for record in request.wanted]
    places = {keys[index]: place for index, place in _places(play, sharers, request).items()}
    index_of = {key: index for index, key in enumerate(keys)}
    shares = distribute(dict(zip(keys, request.sizes)), sharers, places)
    return {name: sorted(index_of[key] for key in share) for name, share in shares.items()}


def _sharing_hosts(play: Play, host: str, request: Request) -> list[str]:
    """Return the hosts among which files are distributed: without those that ask for something else."""
    options, requests = play.record(host, "options"), play.requests
    hosts = options.get("expected_hosts") or play.hosts
    return [name for name in hosts if requests.get(name, "") in (options.get("request_id"), "")]


def _places(play: Play, hosts: t.Sequence[str], request: Request) -> dict[int, str]:
    """Return the host of each wanted record of which content lies on one of these hosts."""
    found: dict[int, tuple[bool, str, str]] = {}
    for host in hosts:
        looked = _look(play, host, request)
        files, intact = records_in(looked.get("files")), _intact(looked, request)
        for index, file in enumerate(files if len(files) == len(request.wanted) else ()):
            time = str(file.get("predecessor") or "")
            if intact[index] or time:
                found[index] = max(found.get(index, (False, "", "")), (intact[index] is not None, time, host))
    return {index: host for index, (_intact_there, _time, host) in found.items()}


def _share(shares: t.Mapping[str, list[int]], host: str, request: Request) -> t.Sequence[int]:
    return shares.get(host, ()) if request.options.get("distribute") else range(len(request.wanted))


def _shortage(play: Play, host: str, sizes: t.Sequence[int | None]) -> str:
    """Return a warning where the backups of what the host lacks, of these sizes, are larger than its free space."""
    needed = sum(size or 0 for size in sizes)
    free = play.record(host, "looked").get("free")
    if not isinstance(free, int) or needed <= free:
        return ""
    return (
        f"{len(sizes)} files need about {format_amount(needed)} by the sizes of their backups, and"
        f" {format_amount(free)} are free on {host}."
    )


# --- Transfers ---


def transfers(play: Play, host: str) -> dict[str, t.Any]:
    """Return what the host gets now that the downloads are prepared.

    Returns:
        run: the identity of this run. downloads: a record for each file that the host is to have, with the GUID of the
        download that its file is or will be of, ``download``, the GUID of the download on the server or None, ``held``,
        the file that is there or None, and ``absent``, whether the server has no download of it. fetch: the records of
        what is fetched or copied. spool: for the host that asks, the records of what is fetched to the spool.
        from_server: whether this host fetches from the server. relay: the host that it copies from otherwise. existing:
        the downloads of all hosts with this request. short: a warning about the free space, or an empty text; after a
        search, ``lacks`` has it.
    """
    request = request_of(play, host)
    downloads = wanted_on(play, host, request)
    lacking = [record for record in downloads if record["held"] is None and not record["absent"]]
    fetch = [slim(record, request.options) for record in lacking if record.get("guid")]
    return {
        "run": play.run,
        "downloads": downloads,
        "fetch": [] if _is_lost(play, host) else fetch,
        "spool": _for_spool(play, host, request) if host == request.asker else [],
        "from_server": source_of(play, host, request) is None,
        "relay": relay_of(play, host),
        "existing": [record for record in request.downloads if record],
        "short": "" if is_searched(play, host) else _shortage(play, host, [record["size"] for record in lacking]),
    }


def wanted_on(play: Play, host: str, request: Request) -> list[dict[str, t.Any]]:
    """Return the records of the files that a host is to have, as far as they are there or can be fetched."""
    own, source = held(play, host, request), source_of(play, host, request)
    found = []
    for index in _share(_shares(play, host, request), host, request):
        download, wanted = request.downloads[index], request.wanted[index]
        there, whole = own[index], source[index] if source else None
        is_absent = there is None and whole is None and download is None
        if is_absent and request.creates and not _is_lost(play, host):
            continue  # it could not be prepared
        record = {**wanted, **(download or {})}
        guid = record.get("guid")
        if file := there or whole:
            guid = file.get("guid")
            record.update(_origin(file))
        is_same = file is None or _is_of(file, download)
        record.update(guid=guid, download=(download or {}).get("guid") if is_same else None)
        record["size"] = request.sizes[index]
        found.append({**record, "held": there, "absent": is_absent and not request.creates})
    return found


def _origin(file: Record) -> dict[str, t.Any]:
    """Return the entity and backup of a file, as far as its receipt names them."""
    return {name: file[name] for name in ("protected_entity", "backup") if mapping(file.get(name)).get("guid")}


def _is_of(file: Record, download: Record | None) -> bool:
    """Return whether a file has the content of this download: of the same GUID, or of the same backup."""
    if download is None or not download.get("guid"):
        return False
    backups = [_lower(mapping(one.get("backup")).get("guid")) for one in (file, download)]
    return _lower(file.get("guid")) == _lower(download["guid"]) or (backups[0] is not None and backups[0] == backups[1])


def _for_spool(play: Play, asker: str, request: Request) -> list[dict[str, t.Any]]:
    """Return the records of what the controller fetches for all hosts that copy from it."""
    if play.record(asker, "options").get("via") != "controller":
        return []
    needed = _needs_of_all(play, asker, _shares(play, asker, request), request)
    downloads = [(request.downloads[i], request.sizes[i]) for i in sorted(needed)]
    return [
        slim({**record, "size": size}, request.options) for record, size in downloads if record and record.get("guid")
    ]


def share_of(play: Play, asker: str, host: str) -> list[dict[str, t.Any]]:
    """Return the records that a host of this request is to have, whatever it holds."""
    request = request_of(play, asker)
    indexes = _share(_shares(play, asker, request), host, request)
    return [{**request.wanted[i], **(request.downloads[i] or {})} for i in indexes]
