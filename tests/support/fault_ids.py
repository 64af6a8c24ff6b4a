# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults between a task and the server, on a host and with secrets, by id, and the behaviour that is expected.

A test names the faults that it shows with ``@pytest.mark.fault("H1")``; ``pytest -m fault`` runs all of them. Faults
in the bytes of files have cases of their own in ``tests/faults`` (N, H6, H17 to H35, C1 to C8).
"""

from __future__ import annotations

import typing as t

FAULTS: t.Final = {
    "H1": "a server that is away for a while during the wait, with and without Retry-After: asked again later",
    "H2": "a Retry-After that is huge, negative, past or no number: obeyed within bounds or ignored",
    "H3": "a login that is told to come later: few tries, apart from each other",
    "H4": "500 with a page: asked again, and told with its status and its words without tags",
    "H5": "401 in the middle: one new login; a second 401 in a row is final",
    "H6": "401 in the middle of content, or when it is resumed: one new login, and on",
    "H7": "403: told at once, and no login is tried",
    "H8": "a refused login: tried exactly once",
    "H9": "a login without a cookie that can be used: told with the reason",
    "H10": "the cookie changes with each answer: followed",
    "H11": "the answer to a create is lost after the server acted: what was made is found",
    "H12": "a create is lost before the server acted: sent once more",
    "H13": "a create that the list shows much later: waited for before it counts as lost",
    "H14": "500 or 409 although the server acted: what was made is found; where it did not act, its words are told",
    "H15": "the answer to a delete is lost: repeated, and 404 is what was wanted",
    "H16": "a delete is answered with a task, with a body or without: waited for; its failure is one",
    "H18": "200 with a page of a login portal: no list",
    "H19": "200 with an error as JSON: no list, no file",
    "H20": "a redirect: told, never followed, and nobody else gets anything",
    "H29": "lengths that are none: unknown or an error, never believed",
    "H32": "heads without measure: told",
    "H33": "100 Continue, hints and trailers: understood",
    "H34": "HTTP/1.0: understood",
    "H35": "certificates that prove nothing: the check is named, and nothing is sent",
    "H36": "the server restarts during the wait and has lost or renumbered its tasks: the list decides",
    "H37": "a server that is asked too often: asked less often",
    "H38": "pages that repeat, change or never end: each record once, and an end",
    "A1": (
        "constants as objects, bare, unknown or missing: understood or returned as they are; an unknown state is no end"
    ),
    "A2": "fields that are missing, too many or of another type: an error that names the place, never a traceback",
    "A3": "what is hardly JSON, or has no measure: understood or told, never read without end",
    "A4": "guids that would like to be paths: never one",
    "A5": "a create that returns no, fewer, more or doubled tasks: each entity is judged by itself",
    "A6": "one of several tasks fails: told for each, and the good ones are returned and kept",
    "A7": "a task that never starts, or whose progress makes no sense: only its state and the deadline decide",
    "A8": "a task that is gone before it is looked at again: the list decides",
    "A9": "a task that goes on after its end: an end counts when it is seen twice",
    "A10": "times in any form, and a server whose clock is wrong: no time of the server decides anything",
    "A11": "downloads of others, doubled ones, and such without backup: only what fits is used or deleted",
    "A12": "a filter of the server that finds more than was asked for: filtered again",
    "A13": "names of files from the server: one component of a path, or the fallback",
    "A14": "content that comes as bytes, or as the object that the vendor's page prints: the file, or its end told",
    "A15": "any success with or without a body: the body decides",
    "A16": "errors as JSON of two kinds, text, pages, nothing or no text at all: the best words, scrubbed and cut",
    "P1": "two tasks fetch to one destination: one works, the other waits and finds it done, or names the process",
    "P2": "locks that do nothing: bytes never mix, and who is overtaken stops",
    "P3": "the controller is killed while its module works, and the play is run again",
    "P4": "Ansible ends a task: timeout, async, cancelled by a signal to the controller",
    "P5": "a signal to the module: recorded, logged out, ended within two seconds and not with success",
    "P6": "standard output is closed: no traceback, the work is done and found done, no session is left",
    "P7": "the module is stopped until its connection or session is gone, and continued: it goes on",
    "P8": "a killed module leaves a lock file, which holds nobody up",
    "P9": "the lock file is removed and made anew in between: it is looked at again",
    "P10": "the machine was restarted: the number of the writing process means nothing",
    "P11": "50 hosts start at once and the server has room for 10 sessions",
    "P12": "two controllers ask for the same download at the same time: both end well, the next run uses what is there",
    "P13": "somebody deletes the download while it is fetched: it is told to be gone, and what had come is dropped",
    "P14": "a download is to be deleted while another host still fetches it: the server decides, and the role waits",
    "P15": "an address space of 128 MiB is enough, and memory does not grow with the file",
    "P16": "16 descriptors are enough",
    "P17": "a child would inherit no descriptor: each is closed on exec",
    "F18": "a private file replaces one that everybody can read: the mode is as asked or as it was, and never wider",
    "S1": "every fault in the loudest runs, with all callbacks and logs: no secret in anything that is left",
    "S2": "secrets with characters of all kinds reach the server as they are, and are masked in all encodings",
    "S3": (
        "secrets that are very short or part of an id, a state or a path: results are right or refused, with a warning"
    ),
    "S4": "credentials in the url are refused and not repeated",
    "S5": (
        "a secret in the wrong or a misspelt option: masked in the result as far as Ansible lets; no secret suboptions"
    ),
    "S6": "exceptions of any layer with a secret in their words are scrubbed",
    "S7": "the server repeats password, token or cookie in a body or header: scrubbed, and excerpts are short",
    "S8": "warnings and logs go through the scrubber only",
    "S9": (
        "netrc, proxies and CA bundles of the environment: not taken, proxies only where allowed, passwords not shown"
    ),
    "S10": "variables that switch the verification of certificates off or over do nothing",
    "S11": "a redirect to another host: nothing arrives there",
    "S12": "two ways to log in, none, or a token that is not good any more: told clearly, and tried once",
    "S13": (
        "every end of a task with every failure of the logout: tried once, five seconds at most, the result unchanged"
    ),
    "S14": (
        "no secret in command lines, environments of children, temporary files, the partial or what is kept beside it"
    ),
    "S15": "http with credentials is refused unless it is allowed",
    "S16": "the session that is returned: only where it is asked for, under one documented key, hidden by no_log",
    "S17": "what AWX stores of a job (events, facts, artifacts) holds no secret",
    "S18": "a wrong password is sent once a task, whatever the status",
    "U1": "check mode of every module and state: nothing is written, and what would change is told truly",
    "U2": "the second run writes and fetches nothing, also when the server is away",
    "U3": "dest is the same, different, truncated or of another owner, with each kind of overwrite; dates do not count",
    "U4": "dest relative, in the home, a directory, a device, a pipe or of the kernel",
    "U5": "numbers out of their range are refused by name; an interval longer than the wait is cut to it",
    "U6": "urls without scheme, with path, query, slashes, odd ports and hosts: made one form, or refused",
    "U7": "no, one and 500 objects, named twice, of several kinds: each once, in their order, or refused",
    "U8": "become, async, delegated, throttled, in batches and in loops: works, with one session a task",
    "U9": "an old Python, no MD5, no locale, no home, no place for temporary files: it works, or fails before it sends",
    "U10": "a host without requests is told so before anything is sent",
    "U11": "diff mode shows names and states only",
    "U12": "room for one of three files: the second is not begun, the first stays",
}
