# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that is published: built, compared with itself, and looked at as Galaxy and hubs do."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import typing as t

from tests.harness import archive, pythons, tree
from tests.harness.runner import Log, StepFailed

ARCHIVE: t.Final = tree.BUILD / "archive"


def build(ansible_galaxy: pathlib.Path, collection: pathlib.Path, environment: t.Mapping[str, str], log: Log) -> None:
    """Leave the archive of a copy of the collection in ARCHIVE. Two builds of the same files must be the same bytes."""
    shutil.rmtree(ARCHIVE, ignore_errors=True)
    found = [_built(ansible_galaxy, collection, environment, log, ARCHIVE / place) for place in ("first", "second")]
    if problems := archive.problems(found[0], collection):
        log.write("\n".join(problems))
        raise StepFailed("galaxy.yml does not fit the files")
    if found[0].read_bytes() != found[1].read_bytes():
        raise StepFailed("two builds of the same files differ")
    found[0].replace(ARCHIVE / found[0].name)
    for path in found:
        shutil.rmtree(path.parent)


def check(environment: t.Mapping[str, str], log: Log) -> None:
    """What Galaxy and hubs say of the archive, with the settings for certified collections, must be nothing."""
    programs = pythons.environment("importer", "importer.txt", pathlib.Path(sys.executable), log.run)
    built = next(ARCHIVE.glob("*.tar.gz"), None)
    if built is None:
        raise StepFailed("there is no archive")
    settings = {
        **environment,
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
    }
    del settings["ANSIBLE_COLLECTIONS_PATH"]  # it looks at the archive alone
    before = len(log.text())  # pip may have warned
    log.run(programs / "python", "-m", "galaxy_importer.main", built, cwd=programs.parent, environment=settings)
    if any(line.startswith(("WARNING", "ERROR")) for line in log.text()[before:].splitlines()):
        raise StepFailed("it complains")


def _built(
    ansible_galaxy: pathlib.Path,
    collection: pathlib.Path,
    environment: t.Mapping[str, str],
    log: Log,
    target: pathlib.Path,
) -> pathlib.Path:
    raw = target / "raw"
    log.run(ansible_galaxy, "collection", "build", "--output-path", raw, ".", cwd=collection, environment=environment)
    (built,) = raw.iterdir()
    archive.settle(built, target / built.name, _commit_time())
    return target / built.name


def _commit_time() -> int:
    """When the files were changed last, as far as git knows, in seconds since 1970; the time of the archive."""
    command = ("git", "log", "-1", "--format=%ct")
    told = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False)
    return int(told.stdout.strip() or 0)
