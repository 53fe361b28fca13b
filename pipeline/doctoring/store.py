"""An object store or a web server under a dataset folder, and this machine's scratch folder for it.

A store is tried with a few small objects under a name of its own, which are removed; a server is
asked for dataset.toml and for a list of tables.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid

from manifests import scratch
from manifests.console import size
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.storage import open_storage
from pipeline.doctoring.finding import Finding, Patient
from pipeline.doctoring.folder import tried

_NAMES = ("one", "two", "three", "three.part")


def scratch_room(patient: Patient) -> Finding:
    """Hold the free bytes against what the scratch folder may come to hold."""
    free = shutil.disk_usage(patient.folder).free
    try:
        most = scratch.bound()
    except ClipmillError as error:
        return Finding("fail", str(error), f"unset {scratch.BOUND}")
    text = f"{size(free)} free at {scratch.folder()}, where up to {size(most)} of copies lie"
    details = {"free": free, "scratch": most}
    if free < patient.keep_free:
        keep = f"{size(patient.keep_free)} stay free (--keep-free)"
        return Finding("fail", f"{text}, but {keep}", f"set {scratch.FOLDER} elsewhere", details)
    if free < most + patient.keep_free:
        cure = f"set {scratch.BOUND} lower, or {scratch.FOLDER} to a larger disk"
        return Finding("warn", text, cure, details)
    return Finding("ok", text, "", details)


def object_store(patient: Patient) -> Finding:
    """Make, replace, grow, list and remove objects as storage does."""
    try:
        storage = open_storage(f"{patient.root}/.clipmill-doctor-{uuid.uuid4().hex[:12]}")
        try:
            lacking = tried(storage)
            if set(storage.list(".")) != {"one", "two", "three"}:
                lacking.append("listing of what was written")
        finally:
            for name in _NAMES:
                with contextlib.suppress(ClipmillError):
                    storage.delete(name)
    except (ClipmillError, OSError) as error:
        return Finding("fail", f"{patient.root} cannot be used: {error}", "mend that first")
    if lacking:
        cure = "use another store, or a local folder: writers at once could lose each other's work"
        return Finding("fail", f"{patient.root}: no {', '.join(lacking)}", cure)
    return Finding("ok", f"{patient.root} makes, replaces, lists and removes objects as it must")


def web_server(patient: Patient) -> Finding:
    """Read dataset.toml and the list of tables."""
    try:
        dataset = Dataset.open(str(patient.root))
        tables = dataset.storage.list("manifests")
    except (ClipmillError, OSError) as error:
        return Finding("fail", f"{patient.root} cannot be used: {error}", "mend that first")
    if not tables:
        cure = "write listing.json anew there (clipmill listing), or let the server list folders"
        return Finding("fail", f"{patient.root} lists no tables in manifests/", cure)
    return Finding("ok", f"{patient.root} can be read: data set {dataset.name} (not written to)")
