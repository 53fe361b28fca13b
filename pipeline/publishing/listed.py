"""Write listing.json, by which a root is read from a web server that lists no folders.

Each folder is listed once, some 20 of them and 512 more where tensors or videos are kept; nothing
is read. It says what is there now: whatever changes the root makes it old.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from manifests import listing
from manifests.console import Ui, size
from manifests.dataset import Dataset
from manifests.storage import Storage
from pipeline.acquiring.finding import OWN, own_folders
from pipeline.plans import FOLDER as PLANS
from pipeline.verifying.files import TENSORS
from pipeline.verifying.reading import GROWING
from shards.write import FOLDER

_AT_ONCE = 16


def write_listing(dataset: Dataset) -> dict[str, Any]:
    """Write the listing of a root and return its numbers."""
    storage = dataset.storage
    files = files_of(storage)
    storage.write(listing.FILE, listing.encode(files))
    return {
        "file": f"{storage.root}/{listing.FILE}",
        "files": len(files),
        "bytes": sum(files.values()),
    }


def files_of(storage: Storage) -> dict[str, int]:
    """Return path -> bytes of all files of a root that verbs read."""
    folders = [*_folders(storage)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = [*zip(folders, threads.map(storage.list, folders), strict=True)]
    files = {
        f"{folder}/{name}".removeprefix("./"): length
        for folder, names in found
        for name, length in names.items()
    }
    files.pop(listing.FILE, None)
    return files


def _folders(storage: Storage) -> Iterator[str]:
    yield from (".", "manifests", PLANS, FOLDER, *(f"manifests/{name}" for name in GROWING))
    if storage.holds("clips"):
        yield from TENSORS
    if storage.holds(OWN):
        yield from own_folders()


def show(report: dict[str, Any], ui: Ui) -> None:
    """Say what was written."""
    ui.note(f"wrote {report['file']}: {report['files']:,} files, {size(report['bytes'])}")
    ui.note("Write it again whenever the root has changed: readers see what it says.")
