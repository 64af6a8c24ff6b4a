# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the repository is, the collection under its real name, and copies of what belongs to it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
COPIES = BUILD / "copy"  # a folder of copies of the repository for each tool
LINK = BUILD / "link"  # a collections path: what is there is the work tree itself
NAMESPACE, NAME = "storware", "backup"


def collection_in(collections_path: pathlib.Path) -> pathlib.Path:
    """Where Ansible looks for the collection under a collections path."""
    return collections_path / "ansible_collections" / NAMESPACE / NAME


def modules_with_connection() -> list[str]:
    """The names of the modules that talk to the server, sorted."""
    modules = (ROOT / "plugins" / "modules").glob("[!_]*.py")
    return sorted(path.stem for path in modules if "- storware.backup.connection\n" in path.read_text(encoding="utf-8"))


def link() -> pathlib.Path:
    """A collections path on which the collection is this work tree."""
    collection = collection_in(LINK)
    collection.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # made before, or by another test process just now
        collection.symlink_to(ROOT, target_is_directory=True)
    return LINK


def make_importable() -> None:
    """Let `import ansible_collections.storware.backup` find this work tree."""
    path = str(link())
    if path not in sys.path:
        sys.path.insert(0, path)


def tracked_and_new() -> list[pathlib.PurePosixPath]:
    """Files git tracks or would add, relative to the root. A file deleted but still tracked is not among them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    names = sorted(set(os.fsdecode(output).split("\0")) - {""})
    return [pathlib.PurePosixPath(name) for name in names if (ROOT / name).is_file()]


def shell_scripts() -> list[pathlib.PurePosixPath]:
    """Files whose first line names a shell."""
    return [name for name in tracked_and_new() if re.match(rb"#!.*\b(ba|da)?sh\b", (ROOT / name).read_bytes()[:80])]


def copy_to(collections_path: pathlib.Path) -> pathlib.Path:
    """A copy of the files under a collections path, for tools that follow links or walk over what is ignored.

    What an earlier copy left there is removed, but for the environments of ansible-test, which take minutes to make.
    Returns the copied collection's directory.
    """
    collection = collection_in(collections_path)
    kept = collection / "tests" / "output"
    for old in (*collection.glob("*"), *collection.glob("tests/*")):
        if old not in (kept, kept.parent):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for name in tracked_and_new():
        target = collection / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    # Without a repository of their own, tools find this one around the copy, which ignores all of .build.
    subprocess.run(["git", "init", "--quiet", "--template="], cwd=collection, check=True, capture_output=True)
    return collection
