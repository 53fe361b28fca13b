"""Processes that read: the same batches for any number, deaths survived, nothing left behind."""

import contextlib
import ctypes
import gc
import hashlib
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError, StoppedError
from manifests.spec import ClipSpec, Window
from shards import workers as module
from shards.plan import PAD
from shards.reading import Reading
from shards.stream import Stream

PART = Window(2, 10, 12)
MADV_DONTFORK = 10
REPO = Path(__file__).resolve().parents[2]


def stream(dataset: Dataset, workers: int, **more: Any) -> Stream:
    reading, window = Reading(workers=workers, **more.pop("reading", {})), more.pop("window", PART)
    options = {"global_batch": 5, "train": True, "reading": reading} | more
    return Stream(dataset, "train", window, **options)


def seen(found: Stream, most: int = 10**9) -> list[tuple[list[int], str]]:
    batches = []
    for batch in found:
        whole = hashlib.sha256(batch.pixels.numpy().tobytes())
        whole.update(batch.random.numpy().tobytes() + batch.labels.numpy().tobytes())
        batches.append((batch.rows.tolist(), whole.hexdigest()))
        del batch
        if len(batches) == most:
            break
    return batches


def children() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_reads_the_same_batches(uneven: Dataset, workers: int) -> None:
    with stream(uneven, 0) as alone, stream(uneven, workers) as several:
        for _ in range(3):
            assert seen(several) == seen(alone)
        assert several.state_dict() == alone.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_other_start_methods(uneven: Dataset, context: str) -> None:
    with stream(uneven, 0) as alone, stream(uneven, 2, reading={"context": context}) as several:
        assert seen(several) == seen(alone)
        assert seen(several) == seen(alone)


def test_an_iteration_that_was_left_goes_on_in_the_next(uneven: Dataset) -> None:
    with stream(uneven, 0) as alone, stream(uneven, 2) as several:
        whole = seen(alone)
        assert seen(several, 3) + seen(several, 1) + seen(several) == whole
        assert several.epoch == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_an_older_iterator_says_that_it_is_left_and_takes_nothing(
    uneven: Dataset, workers: int
) -> None:
    with stream(uneven, workers, global_batch=9) as found:  # a message each
        old = iter(found)
        rows = [next(old).rows]
        new = iter(found)
        rows.append(next(new).rows)
        with pytest.raises(ClipmillError, match="left for a newer one"):
            next(old)
        rows += [batch.rows for batch in new]
        assert len(np.unique(rows)) == 54 and found.epoch == 1


def test_an_older_iterator_does_not_end_an_epoch_again(uneven: Dataset) -> None:
    with stream(uneven, 0) as found:
        old = iter(found)
        for _ in range(len(found)):
            next(old)
        assert seen(found) == [] and found.epoch == 1
        with pytest.raises(ClipmillError, match="left for a newer one"):
            next(old)
        assert found.epoch == 1


def test_a_position_loaded_in_mid_epoch(uneven: Dataset) -> None:
    with stream(uneven, 2) as found:
        whole = seen(found)
        second = seen(found)
    with stream(uneven, 1) as found:
        seen(found, 4)
        state = found.state_dict()
        seen(found)
        found.load_state_dict(state)
        assert seen(found) == whole[4:]
        assert seen(found) == second


def test_processes_read_on_into_the_next_epoch_in_training_alone(uneven: Dataset) -> None:
    with stream(uneven, 2) as found, stream(uneven, 2, train=False) as scored:
        seen(found)
        state, going = found.state_dict(), found._reader()._coming
        second = seen(found)
        assert found._reader()._coming is going, "they were not started anew"
        found.load_state_dict(state)
        assert seen(found) == second, "what was read ahead is of another epoch"
        assert found._reader()._coming is not going
        assert seen(scored) and scored._reader()._stands is None


def test_an_epoch_that_was_cut_anew_is_followed_by_whole_ones(uneven: Dataset) -> None:
    with stream(uneven, 0) as alone, stream(uneven, 2) as several:
        for found in (alone, several):
            seen(found, 2)
            found.load_state_dict(found.state_dict() | {"global_batch": 10, "laid": 10}, recut=True)
        assert several.skipped == 20
        for steps in (8, 12, 12):
            batches = seen(several)
            assert batches == seen(alone) and len(batches) == steps


def test_memory_that_a_driver_keeps_from_forked_processes_is_filled(uneven: Dataset) -> None:
    """As some do with memory that they pinned; workers of a later epoch are forked after that."""
    with stream(uneven, 0) as alone, stream(uneven, 2) as several:
        pixels = several._reader()._filler.slots.pixels
        kept = ctypes.CDLL(None, use_errno=True).madvise(
            ctypes.c_void_p(pixels.ctypes.data), ctypes.c_size_t(pixels.nbytes), MADV_DONTFORK
        )
        assert kept == 0
        assert seen(several) == seen(alone)
        assert several.restarts == 0


def test_batches_that_are_kept_keep_what_they_show(uneven: Dataset) -> None:
    """However long, and however many: slots are used again only when nobody sees them."""
    with stream(uneven, 2) as found:
        kept = []
        for batch in found:
            kept.append((batch, hashlib.sha256(batch.pixels.numpy().tobytes()).digest()))
            time.sleep(0.02)
        for batch in found:  # the slots of the first epoch are wanted again
            del batch
        for batch, digest in kept:
            assert hashlib.sha256(batch.pixels.numpy().tobytes()).digest() == digest


def test_killed_workers_are_survived(uneven: Dataset) -> None:
    with stream(uneven, 0) as alone:
        whole = seen(alone)
    with stream(uneven, 2) as found:
        batches = []
        for batch in found:
            batches += [batch.rows.tolist()]
            if len(batches) in (2, 6):
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
        assert batches == [rows for rows, _ in whole]
        assert seen(found), "and the next epoch"


def test_workers_that_always_die_end_the_stream_with_a_reason(
    uneven: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(_: int) -> None:
        os.kill(os.getpid(), signal.SIGBUS)

    monkeypatch.setattr(module, "_settle", dying)
    with stream(uneven, 1) as found, pytest.raises(StoppedError, match=r"died 3 times.*SIGBUS"):
        seen(found)
    assert not children()


def test_a_shard_that_was_cut_under_the_hands_of_a_worker_is_named(
    tmp_path: Path, noisy: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut between the look at its length and the copy: SIGBUS, again and again."""
    dataset = noisy(tmp_path / "root", (12,))
    os.truncate(Path(dataset.storage.root) / "shards" / "train-000000.tar", 9000)

    def dying(_: int) -> None:
        os.kill(os.getpid(), signal.SIGBUS)

    monkeypatch.setattr(module, "_settle", dying)
    words = r"SIGBUS\).* Found: train-000000\.tar: 9000 bytes; its row says \d+"
    with stream(dataset, 1) as found, pytest.raises(StoppedError, match=words):
        seen(found)


def test_the_programs_own_signals_and_random_numbers_are_left_alone(uneven: Dataset) -> None:
    import torch

    handlers = {number: signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGINT)}
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with stream(uneven, 2) as found:
        seen(found)
        assert {number: signal.getsignal(number) for number in handlers} == handlers
        assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("how", ["close", "dropped", "mid-epoch"])
def test_no_process_stays_when_a_stream_ends(uneven: Dataset, how: str) -> None:
    before = set(children())
    found = stream(uneven, 2)
    seen(found, 2 if how == "mid-epoch" else 10**9)
    mine = set(children()) - before
    assert len(mine) == 2
    if how == "close":
        found.close()
    del found
    gc.collect()
    for pid in mine:
        with contextlib.suppress(ProcessLookupError):
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.05)
                multiprocessing.active_children()
            pytest.fail(f"worker {pid} is left")


PROGRAM = """
import multiprocessing, sys, time
from manifests.dataset import Dataset
from manifests.spec import ClipSpec, Window
from shards.reading import Reading
from shards.stream import Stream

found = Stream(Dataset.open(sys.argv[1]), "train", Window(2, 10, 12), global_batch=5, train=True,
               reading=Reading(workers=2))
for batch in found:
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(60)
"""


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_and_leave_no_shared_memory(
    uneven: Dataset, how: signal.Signals, tmp_path: Path
) -> None:
    names = {*os.listdir("/dev/shm")}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, uneven.storage.root],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2 and not any(_gone(pid) for pid in pids)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert said.count("KeyboardInterrupt") == 1, "only the parent speaks"
    deadline = time.monotonic() + 30
    while not all(_gone(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert all(_gone(pid) for pid in pids)
    left = {*os.listdir("/dev/shm")} - names
    assert not any(str(pid) in name for name in left for pid in (process.pid, *pids))


def test_memory_stays_flat(tmp_path: Path, noisy: Callable[..., Dataset], uneven: Dataset) -> None:
    def resident() -> int:
        pids = [os.getpid(), *children()]
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    with stream(uneven, 2) as found:
        sizes = []
        for _ in range(20):
            for batch in found:
                assert PAD not in batch.rows
            sizes.append(resident())
        assert sizes[-1] - sizes[4] < 8e6, [round(size / 1e6, 1) for size in sizes]


def test_an_error_of_a_worker_is_one_clear_sentence(
    tmp_path: Path, noisy: Callable[..., Dataset]
) -> None:
    dataset = noisy(tmp_path / "root", (6, 6))
    path = Path(dataset.storage.root) / "shards" / "train-000001.tar"
    data = bytearray(path.read_bytes())
    row = dataset.parts("samples").to_pylist()[8]
    data[row["offset"] + 5] ^= 1
    path.write_bytes(data)
    with stream(dataset, 2) as found, pytest.raises(ClipmillError) as caught:
        seen(found)
    text = str(caught.value)
    assert text.startswith(f"shard train-000001.tar, clip {row['clip_id']}: its bytes do not have")
    assert "Traceback" not in text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_budget_of_bad_samples(
    tmp_path: Path, noisy: Callable[..., Dataset], workers: int
) -> None:
    dataset = noisy(tmp_path / "root", (6, 6))
    path = Path(dataset.storage.root) / "shards" / "train-000001.tar"
    data = bytearray(path.read_bytes())
    bad = [row for row in dataset.parts("samples").to_pylist() if row["shard"] == path.name][1:4]
    for row in bad:
        data[row["offset"] + 5] ^= 1
    path.write_bytes(data)
    with stream(dataset, workers, global_batch=4, reading={"bad_samples": 3}) as found:
        for _ in range(2):
            rows, agreed = [], 0
            for batch in found:
                missing = batch.rows == PAD
                assert not batch.pixels[missing].any() and (batch.labels[missing] == -1).all()
                assert batch.valid.tolist() == (~missing).tolist()
                rows += batch.rows[~missing].tolist()
                agreed = found.bad_samples
            assert agreed == 3
            lost = {row["clip_id"] for row in bad}
            assert sorted(found.clip_ids[row] for row in rows) == sorted({*found.clip_ids} - lost)
        assert len(found.bad) >= 3 and all("train-000001.tar" in reason for reason in found.bad)
    with (
        stream(dataset, workers, global_batch=4, reading={"bad_samples": 2}) as found,
        pytest.raises(ClipmillError, match=r"3 bad samples in epoch 1, 2 are allowed.*clip c0"),
    ):
        seen(found)


def test_ranks_count_bad_samples_together(tmp_path: Path, noisy: Callable[..., Dataset]) -> None:
    """What `agree` says of all ranks counts, also where this rank has met none."""
    told = []

    def agree(mine: int) -> int:
        told.append(mine)
        return mine + 1  # as if another rank had met one in each batch

    dataset = noisy(tmp_path / "root", (12,))
    reading = {"bad_samples": 2, "agree": agree}
    found = stream(dataset, 0, global_batch=4, rank=0, world=2, reading=reading)
    with pytest.raises(ClipmillError, match=r"3 bad samples in epoch 1, 2 are allowed, on other"):
        seen(found)
    assert told == [0, 0, 0]
    assert found.state_dict()["bad"] == 3


def test_hashing_each_read_finds_what_changed_after_the_shard_was_looked_through(
    tmp_path: Path, noisy: Callable[..., Dataset]
) -> None:
    dataset = noisy(tmp_path / "root", (12,))
    path = Path(dataset.storage.root) / "shards" / "train-000000.tar"
    row = dataset.parts("samples").to_pylist()[3]
    with stream(dataset, 0, reading={"verify": True}) as found:
        seen(found)
        stamp = path.stat()
        with path.open("r+b") as file:
            file.seek(row["offset"] + 9)
            byte = file.read(1)
            file.seek(row["offset"] + 9)
            file.write(bytes([byte[0] ^ 255]))
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # nothing tells of it
        with pytest.raises(ClipmillError, match=rf"clip {row['clip_id']}: its bytes do not have"):
            seen(found)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_is_cut_or_changed_while_it_is_read(
    tmp_path: Path, noisy: Callable[..., Dataset], workers: int
) -> None:
    for number, change in enumerate((_cut, _overwritten)):
        dataset = noisy(tmp_path / f"root{number}", (12,))
        path = Path(dataset.storage.root) / "shards" / "train-000000.tar"
        with stream(dataset, workers, global_batch=4) as found:
            seen(found)
            change(path)
            with pytest.raises(ClipmillError, match=r"shard train-000000\.tar, clip"):
                for _ in range(9):  # as many epochs as were read ahead, and more
                    seen(found)


def _cut(path: Path) -> None:
    os.truncate(path, 9000)


def _overwritten(path: Path) -> None:
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(bytes(len(data) - 1024))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_is_replaced_while_it_is_read_is_read_on(
    tmp_path: Path, noisy: Callable[..., Dataset], workers: int
) -> None:
    """The map is of the file that was opened; another file of its name is another file."""
    dataset = noisy(tmp_path / "root", (12,))
    path = Path(dataset.storage.root) / "shards" / "train-000000.tar"
    with stream(dataset, workers, global_batch=4) as found, stream(dataset, 0, global_batch=4) as a:
        for _ in range(2):  # an epoch is one task: then both processes have opened it
            assert seen(found) == seen(a)
        other = path.with_name("other")
        other.write_bytes(bytes(100))
        other.rename(path)
        assert seen(found) == seen(a)


def test_half_the_frames_are_half_the_bytes(tmp_path: Path, noisy: Callable[..., Dataset]) -> None:
    """Counted in the page cache: what a cold epoch of half windows has brought from the disk."""
    spec = ClipSpec(frames=32, rate=1, height=64, width=64)
    dataset = noisy(tmp_path / "root", (12,), spec=spec)
    path = Path(dataset.storage.root) / "shards" / "train-000000.tar"
    window = Window(16, 64, 64)
    with stream(dataset, 0, global_batch=4, window=window) as found:
        seen(found)  # looked through, once for this machine
        found.close()
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        if _resident(path):
            pytest.skip("this file system keeps all in memory")
        seen(found)
        share = _resident(path) / path.stat().st_size
    assert 0.4 < share < 0.6, share


def _resident(path: Path) -> int:
    """Bytes of a file that are in memory (mincore: looking reads nothing)."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        address = np.frombuffer(whole, np.uint8).ctypes.data
        pages = (ctypes.c_ubyte * -(-len(whole) // mmap.PAGESIZE))()
        library = ctypes.CDLL(None, use_errno=True)
        found = library.mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(whole)), pages)
        assert found == 0, os.strerror(ctypes.get_errno())
    return sum(page & 1 for page in pages) * mmap.PAGESIZE


def test_readings_that_cannot_be() -> None:
    for options, words in (
        ({"workers": -1}, "-1 workers"),
        ({"bad_samples": -1}, "budget of -1"),
        ({"context": "thread"}, "unknown start method"),
    ):
        with pytest.raises(ClipmillError, match=words):
            Reading(**options)  # type: ignore[arg-type]


def test_rows_are_numbers_of_numpy(uneven: Dataset) -> None:
    with stream(uneven, 1) as found:
        assert all(batch.rows.dtype == np.int64 for batch in found)
