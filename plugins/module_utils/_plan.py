# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure decisions: what is wanted and what is there, in; what to do and how to show it, out. No I/O at all.

Check mode and diff mode are the plan described; the real run is the same plan carried out.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._api import models, payloads
from ._api.cloud_downloads import Catalogue, Wanted

Diff = dict[str, t.Any]


@dataclass(frozen=True)
class Presence:
    """Which wanted downloads exist, which seem to be coming, and which have to be made."""

    wanted: t.Sequence[Wanted]
    adopted: t.Mapping[Wanted, models.CloudDownload]
    expected: t.Collection[Wanted]
    missing: t.Sequence[Wanted]

    @property
    def diff(self) -> Diff:
        """The diff as it is foreseen."""
        return self.diff_when_made(self.missing)

    def diff_when_made(self, made: t.Collection[Wanted]) -> Diff:
        """Only what is asked for is shown: guids that do not exist yet cannot be predicted."""
        return {
            "before": {"cloud_downloads": _shown(want for want in self.wanted if want not in made)},
            "after": {"cloud_downloads": _shown(self.wanted)},
        }

    @property
    def predicted(self) -> list[models.CloudDownload]:
        """The records that will be there in the end, as far as they are known beforehand."""
        return [self.adopted.get(want) or _predicted(want) for want in self.wanted]


@dataclass(frozen=True)
class Update:
    """Which downloads a body would change, and what they say now."""

    body: t.Mapping[str, t.Any]
    current: t.Mapping[str, t.Mapping[str, t.Any]]  # guid: the keys that differ

    @property
    def diff(self) -> Diff:
        """The keys that differ, by guid, under the server's names."""
        after = {guid: {key: self.body[key] for key in keys} for guid, keys in self.current.items()}
        return {"before": dict(self.current), "after": after}


@dataclass(frozen=True)
class Absence:
    """Which downloads have to go."""

    doomed: t.Sequence[models.CloudDownload]

    @property
    def diff(self) -> Diff:
        """The records that go, by what identifies them."""
        before = [
            {
                "guid": download.guid,
                "mode": download.mode,
                "protected_entity": download.protected_entity.to_result() if download.protected_entity else None,
            }
            for download in self.doomed
        ]
        return {"before": {"cloud_downloads": before}, "after": {"cloud_downloads": []}}


def presence(
    wanted: t.Sequence[Wanted],
    existing: Catalogue,
    finished: t.Collection[str | None],
    expected: t.Collection[Wanted] = (),
    unsure: t.Mapping[Wanted, t.Sequence[models.CloudDownload]] | None = None,
) -> Presence:
    """Adopt what exists, make the rest. Of several that fit, a finished one is taken: it is there already.

    unsure: those that are adopted where none certainly fits.
    """
    adopted = {}
    for want in wanted:
        fitting = existing.find(want) or (unsure or {}).get(want, ())
        if fitting:
            adopted[want] = min(fitting, key=lambda download: download.guid not in finished)
    coming = [want for want in wanted if want in expected and want not in adopted]
    return Presence(wanted, adopted, coming, [want for want in wanted if want not in adopted and want not in coming])


def update(downloads: t.Sequence[models.CloudDownload], body: t.Mapping[str, t.Any]) -> Update:
    """Send the body only to the downloads whose record does not say so already."""
    changes = {download.guid or "": payloads.differences(download.raw, body) for download in downloads}
    return Update(body, {guid: keys for guid, keys in changes.items() if keys})


def absence(wanted: t.Sequence[Wanted], existing: Catalogue) -> Absence:
    """Every download that fits anything wanted, each once."""
    fitting = {download.guid: download for want in wanted for download in existing.find(want)}
    return Absence(list(fitting.values()))


def absence_of_guids(guids: t.Sequence[str], existing: t.Sequence[models.CloudDownload]) -> Absence:
    """The selected downloads that are listed; nothing else is ever deleted."""
    selected = {guid.lower() for guid in guids}
    return Absence([download for download in existing if (download.guid or "").lower() in selected])


def _predicted(want: Wanted) -> models.CloudDownload:
    return models.CloudDownload(
        guid=None,
        mode=want.mode,
        protected_entity=want.entity,
        backup=models.Backup(want.backup) if want.backup else None,
        node=models.Reference(want.node) if want.node else None,
    )


def _shown(wanted: t.Iterable[Wanted]) -> list[dict[str, t.Any]]:
    return sorted(
        (
            {
                "protected_entity": {"guid": want.entity.guid, "name": want.entity.name},
                "mode": want.mode,
                **({"backup": want.backup} if want.backup else {}),
                **({"node": want.node} if want.node else {}),
            }
            for want in wanted
        ),
        key=lambda entry: str(entry["protected_entity"]),
    )
