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
from ._api.cloud_downloads import DownloadIndex, DownloadSpec

Diff = dict[str, t.Any]


@dataclass(frozen=True)
class CreatePlan:
    """Which wanted downloads exist, which seem to be coming, and which have to be made."""

    wanted: t.Sequence[DownloadSpec]
    adopted: t.Mapping[DownloadSpec, models.CloudDownload]
    expected: t.Collection[DownloadSpec]
    missing: t.Sequence[DownloadSpec]

    @property
    def diff(self) -> Diff:
        """The diff as it is foreseen."""
        return self.diff_when_made(self.missing)

    def diff_when_made(self, made: t.Collection[DownloadSpec]) -> Diff:
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
class UpdatePlan:
    """Which downloads a body would change, and what they say now."""

    body: t.Mapping[str, t.Any]
    current: t.Mapping[str, t.Mapping[str, t.Any]]  # guid: the keys that differ

    @property
    def diff(self) -> Diff:
        """The keys that differ, by guid, under the server's names."""
        after = {guid: {key: self.body[key] for key in keys} for guid, keys in self.current.items()}
        return {"before": dict(self.current), "after": after}


@dataclass(frozen=True)
class DeletePlan:
    """Which downloads have to go."""

    to_delete: t.Sequence[models.CloudDownload]

    @property
    def diff(self) -> Diff:
        """The records that go, by what identifies them."""
        before = [
            {
                "guid": download.guid,
                "mode": download.mode,
                "protected_entity": download.protected_entity.to_result() if download.protected_entity else None,
            }
            for download in self.to_delete
        ]
        return {"before": {"cloud_downloads": before}, "after": {"cloud_downloads": []}}


def plan_creation(
    wanted: t.Sequence[DownloadSpec],
    existing: DownloadIndex,
    finished: t.Collection[str | None],
    expected: t.Collection[DownloadSpec] = (),
    unsure: t.Mapping[DownloadSpec, t.Sequence[models.CloudDownload]] | None = None,
) -> CreatePlan:
    """Adopt what exists, make the rest. Of several that fit, a finished one is taken: it is there already.

    unsure: those that are adopted where none certainly fits.
    """
    adopted = {}
    for want in wanted:
        fitting = existing.find(want) or (unsure or {}).get(want, ())
        if fitting:
            adopted[want] = min(fitting, key=lambda download: download.guid not in finished)
    coming = [want for want in wanted if want in expected and want not in adopted]
    return CreatePlan(wanted, adopted, coming, [want for want in wanted if want not in adopted and want not in coming])


def plan_update(downloads: t.Sequence[models.CloudDownload], body: t.Mapping[str, t.Any]) -> UpdatePlan:
    """Send the body only to the downloads whose record does not say so already."""
    changes = {download.guid or "": payloads.differences(download.raw, body) for download in downloads}
    return UpdatePlan(body, {guid: keys for guid, keys in changes.items() if keys})


def plan_deletion(wanted: t.Sequence[DownloadSpec], existing: DownloadIndex) -> DeletePlan:
    """Every download that fits anything wanted, each once."""
    fitting = {download.guid: download for want in wanted for download in existing.find(want)}
    return DeletePlan(list(fitting.values()))


def plan_deletion_of(guids: t.Sequence[str], existing: t.Sequence[models.CloudDownload]) -> DeletePlan:
    """The selected downloads that are listed; nothing else is ever deleted."""
    selected = {guid.lower() for guid in guids}
    return DeletePlan([download for download in existing if (download.guid or "").lower() in selected])


def _predicted(want: DownloadSpec) -> models.CloudDownload:
    return models.CloudDownload(
        guid=None,
        mode=want.mode,
        protected_entity=want.entity,
        backup=models.Backup(want.backup) if want.backup else None,
        node=models.Reference(want.node) if want.node else None,
    )


def _shown(wanted: t.Iterable[DownloadSpec]) -> list[dict[str, t.Any]]:
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
