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

    def diff(self, created: t.Collection[DownloadSpec]) -> Diff:
        """Return the diff when these are created. GUIDs that do not exist yet are unknown, so it has none."""
        return {
            "before": {"cloud_downloads": _shown(want for want in self.wanted if want not in created)},
            "after": {"cloud_downloads": _shown(self.wanted)},
        }

    @property
    def predicted(self) -> list[models.CloudDownload]:
        """The records that will be there in the end, as far as they are known beforehand."""
        return [self.adopted.get(want) or want.as_download() for want in self.wanted]


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


def plan_update(downloads: t.Sequence[models.CloudDownload], body: t.Mapping[str, t.Any]) -> Diff:
    """Return the diff of an update with this body: the keys that differ, under the server's names.

    It has the GUIDs of the downloads whose record does not say so already, which alone get the body.
    """
    changes = {download.guid or "": payloads.differences(download.raw, body) for download in downloads}
    before = {guid: keys for guid, keys in changes.items() if keys}
    after = {guid: {key: body[key] for key in keys} for guid, keys in before.items()}
    return {"before": before, "after": after}


def plan_deletion(wanted: t.Sequence[DownloadSpec], existing: DownloadIndex) -> list[models.CloudDownload]:
    """Every download that fits anything wanted, each once."""
    fitting = {download.guid: download for want in wanted for download in existing.find(want)}
    return list(fitting.values())


def plan_deletion_of(guids: t.Sequence[str], existing: t.Sequence[models.CloudDownload]) -> list[models.CloudDownload]:
    """The selected downloads that are listed; nothing else is ever deleted."""
    selected = {guid.lower() for guid in guids}
    return [download for download in existing if (download.guid or "").lower() in selected]


def deletion_diff(to_delete: t.Sequence[models.CloudDownload]) -> Diff:
    """Return the diff of a deletion: the records that go, by what identifies them."""
    before = [
        {
            "guid": download.guid,
            "mode": download.mode,
            "protected_entity": download.protected_entity.to_result() if download.protected_entity else None,
        }
        for download in to_delete
    ]
    return {"before": {"cloud_downloads": before}, "after": {"cloud_downloads": []}}


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
