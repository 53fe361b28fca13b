"""Real processes of torchrun read one root: exact, equal, alike, whatever their number.

tests/shards/reading_rank.py is what each rank runs.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from manifests.dataset import Dataset
from tests.traces import gone, processes_with, shared_names

SCRIPT = Path(__file__).with_name("reading_rank.py")
REPO = SCRIPT.parents[2]
CLIPS = [f"c{place:05}" for place in range(60)]  # of the root `uneven`
WORKERS, TAILS, BATCH = (0, 1, 2), ("exact", "drop", "pad"), 7
RUNS = [
    {
        "stream": {"global_batch": BATCH, "train": True, "tail": tail, "seed": 5},
        "reading": {"workers": workers},
        "epochs": 2,
    }
    for tail, workers in product(TAILS, WORKERS)
] + [
    {
        "stream": {"global_batch": 8, "train": True, "tail": "drop", "lanes": 2, "block": 1},
        "reading": {"workers": 1},
        "epochs": 2,
    },
    # A worker of each rank is killed while it reads ahead.
    {
        "stream": {"global_batch": 4, "train": True, "tail": "exact", "seed": 9},
        "reading": {"workers": 2},
        "epochs": 3,
        "kill": [0, 3],
    },
    # More workers than shards, and than a rank's clips in a batch.
    {
        "stream": {"global_batch": 4, "train": True, "tail": "exact"},
        "reading": {"workers": 5},
        "epochs": 2,
    },
]
Torchrun = Callable[..., subprocess.Popen[str]]


def finished(process: subprocess.Popen[str], seconds: float = 200) -> str:
    """Wait for the end of a job that must end well; return what it said."""
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, said
    return said


def steps(out: Path, number: int, ranks: int) -> list[list[list[Any]]]:
    """Each step's line of every rank of one run."""
    logs = [(out / f"{number}-{rank}.jsonl").read_text().splitlines() for rank in range(ranks)]
    assert len({len(log) for log in logs}) == 1, "equal steps on all ranks"
    return [[json.loads(line) for line in lines] for lines in zip(*logs, strict=True)]


def whole(lines: list[list[Any]]) -> tuple[int, int, list[str], list[str]]:
    """A global batch: epoch, step, and ids and digests of its clips, rank after rank."""
    epoch, step = lines[0][:2]
    assert all(line[:2] == [epoch, step] for line in lines)
    assert len({len(line[2]) for line in lines}) == 1, "equal shares on all ranks"
    ids = [clip for line in lines for clip in line[2] if clip is not None]
    digests = [digest for line in lines for digest in line[3] if digest is not None]
    assert len(ids) == len(digests)
    return epoch, step, ids, digests


@pytest.fixture(scope="session")
def alone(uneven: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The global batches of each run as one process without workers reads them."""
    out = tmp_path_factory.mktemp("alone")
    plain = [run | {"reading": {"workers": 0}} for run in RUNS]
    command = [sys.executable, str(SCRIPT), uneven.storage.root, str(out), json.dumps(plain)]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, timeout=120, env=environment)
    return [[whole(lines) for lines in steps(out, number, 1)] for number in range(len(RUNS))]


def test_one_process_reads_each_epoch_exactly(alone: list[list[Any]]) -> None:
    for run, batches in zip(RUNS, alone, strict=True):
        options = run["stream"]
        size, tail = options["global_batch"], options["tail"]
        orders = []
        for epoch in range(run["epochs"]):
            mine = [batch for batch in batches if batch[0] == epoch]
            assert [batch[1] for batch in mine] == list(range(len(mine)))
            ids = [clip for batch in mine for clip in batch[2]]
            if tail == "exact":
                assert sorted(ids) == CLIPS
            elif tail == "drop":
                assert len(ids) == len(set(ids)) == len(CLIPS) // size * size
            else:
                assert set(ids) == set(CLIPS) and len(ids) == -(-len(CLIPS) // size) * size
            orders.append(ids)
        assert orders[0] != orders[1]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_any_number_of_ranks_and_workers_reads_the_same(
    uneven: Dataset, alone: list[list[Any]], torchrun: Torchrun, tmp_path: Path, ranks: int
) -> None:
    """Ids and pixels, step by step, with workers 0, 1, 2 and 5, over shards of 7, 50 and 3."""
    finished(torchrun(SCRIPT, uneven.storage.root, tmp_path, json.dumps(RUNS), ranks=ranks))
    assert len(list(tmp_path.glob("killed-*"))) == ranks, "a worker of each rank"
    for number, wanted in enumerate(alone):
        assert [whole(lines) for lines in steps(tmp_path, number, ranks)] == wanted, RUNS[number]


def reached(state: Path, epoch: int, step: int, process: subprocess.Popen[str]) -> None:
    """Wait until all ranks stand at a step of an epoch, or later in it."""
    until = time.monotonic() + 90
    while True:
        found = json.loads(state.read_text()) if state.exists() else {"epoch": -1}
        if found["epoch"] == epoch and found["step"] >= step:
            return
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def kill(job: subprocess.Popen[str], out: Path) -> None:
    """SIGKILL torchrun and all its ranks, as a machine that reclaims its cores does."""
    for pid in [job.pid, *(int(path.read_text()) for path in out.glob("pid-*"))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    job.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "batch"), [(3, 2, 4), (1, 4, 7)])
def test_killed_while_reading_ahead_goes_on_with_other_ranks(
    uneven: Dataset,
    torchrun: Torchrun,
    mark: str,
    tmp_path: Path,
    before: int,
    after: int,
    batch: int,
) -> None:
    """What was consumed and what remains make up one epoch exactly, also in other batches."""
    run = {
        "stream": {"global_batch": 4, "train": True, "tail": "exact", "seed": 2},
        "reading": {"workers": 2},
        "epochs": 2,
    }
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    slowly = json.dumps([run | {"pause": 0.05, "hold": [1, 11]}])
    job = torchrun(SCRIPT, uneven.storage.root, first, slowly, ranks=before, MARK=mark)
    reached(first / "state.json", 1, 3, job)
    running = processes_with(mark)
    assert len(running) >= 1 + before * 3, "torchrun, the ranks, and two workers each"
    names = shared_names(running)
    kill(job, first)
    gone(mark)
    assert not [name for name in names if Path(name).exists()]

    state = json.loads((first / "state.json").read_text())
    assert state["epoch"] == 1 and 3 <= state["step"] <= 12
    stream = run["stream"] | {"global_batch": batch}
    rest = json.dumps([run | {"stream": stream, "resume": state, "recut": batch != 4}])
    finished(torchrun(SCRIPT, uneven.storage.root, second, rest, ranks=after, MARK=mark))
    logs = [(first / f"0-{rank}.jsonl").read_text().splitlines() for rank in range(before)]
    lines = [json.loads(line) for log in logs for line in log]
    consumed = [line[2] for line in lines if line[0] == 1 and line[1] < state["step"]]
    remaining = [whole(shares)[2] for shares in steps(second, 0, after)]
    ids = [clip for share in consumed + remaining for clip in share if clip is not None]
    assert sorted(ids) == CLIPS


@pytest.fixture
def damaged(tmp_path: Path, noisy: Callable[..., Dataset]) -> str:
    """A root of which one byte of the pixels of one clip is another."""
    dataset = noisy(tmp_path / "damaged", (7, 50, 3))
    [row] = [row for row in dataset.parts("samples").to_pylist() if row["clip_id"] == "c00020"]
    path = Path(dataset.storage.root) / "shards" / row["shard"]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 40] ^= 1
    path.write_bytes(data)
    return dataset.storage.root


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_clip_that_one_rank_cannot_read_ends_the_job_or_is_counted_by_all(
    damaged: str, torchrun: Torchrun, mark: str, tmp_path: Path, workers: int
) -> None:
    stream = {"global_batch": 6, "train": True, "tail": "exact"}
    runs = [
        {"stream": stream, "reading": {"workers": workers, "bad_samples": allowed}}
        for allowed in (1, 0)
    ]
    job = torchrun(SCRIPT, damaged, tmp_path, json.dumps(runs), ranks=2, MARK=mark)
    _, said = job.communicate(timeout=120)
    assert job.returncode != 0
    assert "train-000001.tar, clip c00020" in said
    gone(mark)
    batches = [whole(lines) for lines in steps(tmp_path, 0, 2)]
    assert len(batches) == 10, "all steps, with a budget of one"
    assert sorted(clip for batch in batches for clip in batch[2]) == [
        clip for clip in CLIPS if clip != "c00020"
    ]


@pytest.mark.slow
def test_training_on_two_processes_says_which_clip_is_damaged(
    make_root: Callable[..., Path], torchrun: Torchrun, mark: str, tmp_path: Path
) -> None:
    root = make_root(tmp_path / "root", ("train",))
    row = Dataset.open(str(root)).parts("samples").to_pylist()[5]
    path = root / "shards" / row["shard"]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 40] ^= 1
    path.write_bytes(data)
    options = f"--root={root} --run={tmp_path}/run --width=4 --batch=4 --epochs=3 --device=cpu"
    words = [*options.split(), "--workers=1"]
    job = torchrun(REPO / "clipmill.py", "train", *words, ranks=2, MARK=mark)
    _, said = job.communicate(timeout=120)
    assert job.returncode != 0
    assert f"shard {row['shard']}, clip {row['clip_id']}" in said
    gone(mark)
