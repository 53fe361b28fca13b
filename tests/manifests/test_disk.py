"""The road of twelve clips, with a fault at every operation and the power cut at every point.

Each trial forks, runs the road with one fault, runs it again without, and compares everything with
the road that nothing disturbed. The decoder's answers are recorded, so a trial costs storage alone.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline.verifying.verify import verify

GROWING = ("download", "pack", "shards", "samples")
TABLES = ("clips", "labels", "splits", *GROWING)
VOLATILE = {"seconds", "finished_at"}
COMPACT_AT = 3


@dataclass
class Road:
    """The road and what came of it undisturbed."""

    faults: ModuleType
    base: Path
    decoder: Any
    drive: Callable[[Path], Any]
    wanted: dict[str, Any]
    log: list[tuple[Any, ...]]
    operations: int

    @property
    def root(self) -> Path:
        return self.base / "root"

    def go(self) -> tuple[dict[str, Any], list[str]]:
        """Run the road and return the state of the root and the clips that were decoded."""
        before = done_clips(self.root)
        self.decoder.asked.clear()
        self.drive(self.root)
        again = [] if before is None else sorted(before & set(self.decoder.asked_clips(self.root)))
        return state(self.root), again

    @contextlib.contextmanager
    def fresh(self) -> Iterator[None]:
        """An empty place for one trial."""
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir()
        yield
        shutil.rmtree(self.base)

    def recover(self) -> str:
        """Run the road again without a fault; say what is not as it should be."""
        ended = self.faults.forked(self.go)
        if ended.code:
            return f"the second run ended with {ended.code}: {ended.trace}"
        found, again = ended.value
        if again:
            return f"decoded again although recorded as done: {again}"
        return difference(found, self.wanted)


def state(root: Path) -> dict[str, Any]:
    """Everything that a root holds, without names of parts and times."""
    dataset = Dataset.open(str(root))
    found: dict[str, Any] = {"dataset.toml": (root / "dataset.toml").read_text()}
    for name in TABLES:
        table = getattr(dataset, name) if name == "clips" else None
        if name in GROWING:
            table = dataset.parts(name)
        elif table is None:
            table = tables.read_single(dataset.storage, f"manifests/{name}.parquet", name)[0]
        rows = [
            {key: value for key, value in row.items() if key not in VOLATILE}
            for row in table.to_pylist()
        ]
        found[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
    for path in sorted((root / "manifests" / "plans").iterdir()):
        found[f"plans/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted((root / "shards").iterdir()):
        found[f"shards/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["problems"] = verify(dataset, Ui(quiet=True))["problems"]
    found["leftovers"] = sorted(path.name for path in root.rglob(".tmp-*"))
    return found


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    if found == wanted:
        return ""
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return "; ".join(f"{key}: {found.get(key)} instead of {wanted.get(key)}" for key in keys)


def done_clips(root: Path) -> set[str] | None:
    """The clips that pack has recorded as done, or None where that cannot be read yet."""
    if not (root / "dataset.toml").exists():
        return None
    rows = tables.finished(Dataset.open(str(root)).parts("pack"))
    return set(rows["clip_id"].to_pylist())


@pytest.fixture
def road(
    faults: ModuleType,
    recorded: Any,
    annotated: Callable[..., Dataset],
    run_stages: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Road]:
    monkeypatch.setattr(tables, "COMPACT_AT", COMPACT_AT)
    monkeypatch.setattr(type(recorded), "asked_clips", _asked_clips, raising=False)
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    base = Path(tempfile.mkdtemp(prefix="clipmill-road-", dir=where))

    def drive(root: Path) -> None:
        annotated(root)
        run_stages(root, "download", "pack")

    road = Road(faults, base, recorded, drive, {}, [], 0)
    # Once here, so that everything is imported and every answer of the decoder known.
    drive(road.root)
    with road.fresh():
        log = base.with_suffix(".log")
        ended = faults.trial(road.go, log=log)
        assert ended.code == 0, ended.trace
        (road.wanted, _), road.operations = ended.value
        road.log = faults.Log.read(log)
        log.unlink()
    yield road
    shutil.rmtree(base, ignore_errors=True)


def _asked_clips(decoder: Any, root: Path) -> list[str]:
    """The clips that were decoded."""
    asked = {(name, start) for verb, name, start in decoder.asked if verb == "decode"}
    clips = Dataset.open(str(root)).clips.to_pylist()
    return [
        row["clip_id"]
        for row in clips
        if (row["source"].removeprefix("file:"), row["start_s"]) in asked
    ]


def test_the_road_is_what_the_other_tests_think_it_is(road: Road) -> None:
    statuses = Counter(json.loads(row)["status"] for row in road.wanted["pack"])
    assert statuses == {"done": 10, "failed": 1}
    assert len(road.wanted["clips"]) == 12
    assert len(road.wanted["download"]) == 12
    assert len(road.wanted["samples"]) == 10
    assert len(road.wanted["shards"]) > COMPACT_AT
    assert road.wanted["problems"] == road.wanted["leftovers"] == []
    used = Counter(entry[0] for entry in road.log)
    # Only a download that goes on extends a file: tests/pipeline/fetch/test_partfile.py.
    assert set(road.faults.OPERATIONS) - {"extend"} <= set(used)
    assert used["gone"] >= 3 * COMPACT_AT, "the road must compact its tables"
    assert road.operations > 150


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["KILL", "EIO", "LATE", "ENOSPC", "SHORT"])
def test_every_storage_operation_faulted(road: Road, fault: str) -> None:
    faults, broken = road.faults, []
    expected = faults.KILLED if fault in ("KILL", "SHORT") else faults.STOPPED
    for at in range(1, road.operations + 1):
        if fault == "SHORT" and road_operation(road, at) != "write":
            continue
        with road.fresh():
            ended = faults.trial(functools.partial(road.drive, road.root), at, fault)
            harmless = fault == "ENOSPC" and ended.code == 0
            if ended.code != expected and not harmless:
                broken.append(f"operation {at}: ended with {ended.code}: {ended.trace}")
            elif wrong := road.recover():
                broken.append(f"operation {at}: {wrong}")
    assert not broken, f"{len(broken)} of {road.operations}:\n" + "\n".join(broken[:10])


def road_operation(road: Road, at: int) -> str:
    return [entry[0] for entry in road.log if entry[0] in road.faults.OPERATIONS][at - 1]


def cut_and_recovered(road: Road, log: list[tuple[Any, ...]], enough: int = 0) -> tuple[int, list]:
    """Recover from every different disk that a power cut may leave; stop when enough is broken."""
    tried, broken = 0, []
    for cut in road.faults.cuts(log, road.base):
        tried += 1
        shutil.rmtree(road.base, ignore_errors=True)
        road.faults.put(cut.tree, road.base)
        if wrong := road.recover():
            broken.append(f"{cut.how} cut after entry {cut.at}: {wrong}")
            if enough and len(broken) >= enough:
                break
    shutil.rmtree(road.base, ignore_errors=True)
    return tried, broken


@pytest.mark.slow
def test_the_power_cut_after_every_operation(road: Road) -> None:
    assert road.faults.broken_promises(road.log, road.base) == []
    tried, broken = cut_and_recovered(road, road.log)
    assert not broken, f"{len(broken)} of {tried}:\n" + "\n".join(broken[:10])
    assert tried > 100


def test_at_the_end_of_a_run_that_followed_a_kill_all_is_on_the_disk(road: Road) -> None:
    """Also what the killed run had made and not synced, which the second run builds upon."""
    faults, broken = road.faults, []
    for at in sorted({*range(1, 13), *range(1, road.operations + 1, 3)}):
        with road.fresh():
            first, second = road.base / "first.log", road.base / "second.log"
            killed = faults.trial(functools.partial(road.drive, road.root), at, "KILL", first)
            assert killed.code == faults.KILLED
            ended = faults.trial(functools.partial(road.drive, road.root), log=second)
            assert ended.code == 0, ended.trace
            disk = faults.Disk(road.base)
            for entry in faults.Log.read(first) + faults.Log.read(second):
                disk.apply(entry)
            now, least = disk.now(), disk.strict()
            if now != least:
                lost = sorted(path for path in now if least.get(path, b"-") != now[path])
                broken.append(f"killed at operation {at}: a power cut loses {lost}")
    assert not broken, "\n".join(broken[:10])


@pytest.mark.parametrize(
    ("operation", "site"),
    [
        ("sync", "create"),
        ("sync", "writer"),
        ("sync_folder", "create"),
        ("sync_folder", "writer"),
        ("sync_folder", "delete"),
        ("sync_folder", "_make_folders"),
    ],
)
def test_one_sync_taken_out_breaks_a_promise(road: Road, operation: str, site: str) -> None:
    log = road.faults.without(road.log, operation, site=site)
    assert len(log) < len(road.log)
    assert road.faults.broken_promises(log, road.base)


def test_a_name_given_before_the_sync_breaks_a_promise_or_the_road(road: Road) -> None:
    log = road.faults.renamed_early(road.log)
    assert log != road.log
    tried, broken = cut_and_recovered(road, log, enough=1)
    assert broken, f"none of {tried} cuts was noticed"


def test_the_replay_notices_when_no_file_is_ever_synced(road: Road) -> None:
    log = road.faults.without(road.log, "sync")
    assert cut_and_recovered(road, log, enough=1)[1]


def test_the_faults_find_outcomes_that_go_ahead_of_their_samples(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of a commit is what the road stands on: turned round, kills must be noticed."""
    from pipeline import stage

    monkeypatch.setattr(stage, "ORDER", ("pack", "samples", "shards"))
    log = road.base.with_suffix(".log")
    with road.fresh():
        road.faults.trial(functools.partial(road.drive, road.root), log=log)
    done = [entry for entry in road.faults.Log.read(log) if entry[0] in road.faults.OPERATIONS]
    log.unlink()
    first = next(
        at
        for at, entry in enumerate(done, 1)
        if entry[0] == "link" and "/pack/" in str(entry[1][1])
    )
    with road.fresh():
        road.faults.trial(functools.partial(road.drive, road.root), first + 1, "KILL")
        assert "samples" in road.recover()
