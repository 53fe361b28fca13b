"""The disk under a dataset folder: room for what is to come, and what the file system can do.

The room costs what `status` costs; the file system is tried with a few small files, in a folder
that is removed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from manifests.console import size
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.storage import Storage, is_web
from pipeline.doctoring.finding import Finding, Patient


def disk(patient: Patient) -> Finding:
    """Hold the free bytes against those that stay free and those that are to come."""
    if patient.remote:
        from pipeline.doctoring.store import scratch_room

        return scratch_room(patient)
    free = shutil.disk_usage(patient.folder).free
    text = f"{size(free)} free at {patient.folder}"
    keep = f"{size(patient.keep_free)} stay free (--keep-free)"
    if free < patient.keep_free:
        cure = "free some space: downloads stop before they begin"
        return Finding("fail", f"{text}, but {keep}", cure, {"free": free})
    root = Path(patient.root or "")
    if patient.root is None or not (root / "dataset.toml").exists():
        return Finding("ok", f"{text}; {keep}", "", {"free": free})
    try:
        videos, shards = to_come(root)
    except ClipmillError as error:
        return Finding("fail", str(error), "mend the dataset folder", {"free": free})
    details = {"free": free, "videos": videos, "shards": shards}
    wanted = (videos or 0) + shards
    coming = f"about {size(shards)} of shards"
    coming += f" and {size(videos)} of videos" if videos is not None else ""
    text = f"{text}, {coming} to come"
    if free - wanted < patient.keep_free:
        cure = f"free {size(wanted + patient.keep_free - free)}, or take --classes or --part"
        return Finding("warn", text, cure, details)
    if videos is None:
        text += "; how large the videos are is not known before the first are here"
    return Finding("ok", text, "", details)


def to_come(root: Path) -> tuple[int | None, int]:
    """Return the bytes that videos and shards of a root still need; the first is None where
    videos are to be fetched and none was yet, whose size could be taken.
    """
    import pyarrow.compute as pc

    from manifests.dataset import Dataset
    from pipeline.next_step import serving
    from pipeline.reporting.acquired import LOCAL, acquired
    from pipeline.reporting.lacking import lacking
    from pipeline.reporting.states import states
    from shards.format import sample_bytes

    dataset = Dataset.open(str(root))
    found = states(dataset, dataset.split_set(None))
    serve = serving(dataset)
    fetched = sum(
        group.clips
        for group in lacking(found)
        if group.status != "gone" and any(name != LOCAL for name in serve[group.kind])
    )
    here = [one for name, one in acquired(found)["via"].items() if name != LOCAL]
    clips, held = sum(one["clips"] for one in here), sum(one["bytes"] for one in here)
    pending = found.clips.filter(pc.field("verdict") == "pending")["clip_id"].to_pylist()
    shards = sum(map(dataset.views, pending)) * sample_bytes(dataset.spec)
    if not fetched:
        return 0, shards
    return (round(held / clips * fetched) if clips else None), shards


def file_system(patient: Patient) -> Finding:
    """Make, replace, grow and lock files as storage does."""
    if patient.remote:
        from pipeline.doctoring.store import object_store, web_server

        return web_server(patient) if is_web(str(patient.root)) else object_store(patient)
    try:
        with _trial(patient.folder) as storage:
            lacking = tried(storage)
    except (ClipmillError, OSError) as error:
        # Nobody said that data comes here.
        level = "fail" if patient.root else "warn"
        text = f"{patient.folder} cannot be written: {error}"
        return Finding(level, text, "make it writable, or give another --root")
    if "locks" in lacking:
        text = f"{patient.folder} has no locks"
        return Finding("warn", text, "run one clipmill at a time on it")
    if lacking:
        cure = "put the dataset folder on a local disk: what is killed could leave halves"
        return Finding("fail", f"{patient.folder}: no {', '.join(lacking)}", cure)
    return Finding("ok", f"{patient.folder} makes, renames, syncs and locks files as it must")


@contextmanager
def _trial(folder: Path) -> Iterator[LocalStorage]:
    """Give storage in a folder of its own, which is removed."""
    place = Path(tempfile.mkdtemp(prefix=".clipmill-doctor-", dir=folder))
    try:
        yield LocalStorage(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def tried(storage: Storage) -> list[str]:
    """Return what the storage does not do as it should."""
    lacking = []
    once, twice = storage.create("one", b"first"), storage.create("one", b"second")
    if not once or twice or storage.read("one") != b"first":
        lacking.append("creation of a name once")
    storage.write("two", b"old")
    storage.write("two", b"new")
    if storage.read("two") != b"new":
        lacking.append("replacing by rename")
    for start, piece in ((0, b"abcXX"), (3, b"def")):
        with storage.part("three.part", start) as out:
            out.write(piece)
    storage.publish("three.part", "three")
    if storage.read("three") != b"abcdef" or storage.size("three.part") is not None:
        lacking.append("growth of a file")
    if isinstance(storage, LocalStorage) and not _locks(storage.place("lock")):
        lacking.append("locks")
    return lacking


def _locks(path: Path) -> bool:
    """Whether a lock that is held cannot be had."""
    try:
        with filelock.FileLock(path, timeout=0), filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
