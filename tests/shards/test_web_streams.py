"""Streams of roots that a web server gives out: the same batches as of the folder itself."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from manifests import annotations, listing
from manifests.dataset import Dataset
from manifests.errors import ClipmillError, StoppedError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec, Window
from shards.reading import Reading
from shards.stream import Stream
from tests.web import Fault, Site

REPO = Path(__file__).resolve().parents[2]
SHARDS, IN_ONE = 8, 6
SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "10")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def root(tmp_path: Path, shard: Callable[..., object]) -> str:
    """A root of 48 clips of train in 8 shards, in a folder."""
    names = [f"a{number:02}" for number in range(SHARDS * IN_ONE)]
    clips = [Clip(name, "set", "run", 0, name, "file:x") for name in names]
    rows = [SplitRow("default", name, "train") for name in names]
    found = Annotation("set", clips, [Label(0, "run", "run")], rows, ["default"])
    dataset = annotations.annotate(str(tmp_path / "root"), found, SPEC, 0, "/videos")
    for number in range(SHARDS):
        some = names[number * IN_ONE : (number + 1) * IN_ONE]
        written = shard(dataset.storage, f"train-{number:06d}.tar", some)
        dataset.append("shards", [written.shard])  # type: ignore[attr-defined]
        dataset.append("samples", written.samples)  # type: ignore[attr-defined]
    return dataset.storage.root


def serve(site: Site, root: str) -> str:
    """Give a folder out, with a listing; return its address."""
    files = {path.relative_to(root).as_posix(): path for path in Path(root).rglob("*.*")}
    site.files |= {f"/root/{name}": path for name, path in files.items() if path.is_file()}
    sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
    site.files["/root/listing.json"] = listing.encode(sizes)
    return f"{site.url}/root"


def shards_asked(site: Site) -> dict[str, int]:
    return {path: count for path, count in site.asked.items() if path.endswith(".tar")}


def seen(root: str, epochs: int = 2, workers: int = 0, **more: int) -> list[str]:
    """Digests of the batches of some epochs: rows, labels and pixels."""
    reading = Reading(workers=workers)
    options = {"global_batch": 5, "train": True, "block": 2, "reading": reading} | more
    window, found = Window(3, 14, 14), []
    with Stream(Dataset.open(root), "train", window, **options) as stream:  # type: ignore[arg-type]
        for _ in range(epochs):
            for batch in stream:
                state = hashlib.sha256(batch.rows.tobytes() + batch.pixels.numpy().tobytes())
                found.append(state.hexdigest())
    return found


READING = """
import sys, json
from tests.shards.test_web_streams import seen
print(json.dumps(seen(sys.argv[1], **json.loads(sys.argv[2]))), flush=True)
"""


def test_with_a_budget_a_damaged_shard_costs_its_bad_clips_alone(site: Site, root: str) -> None:
    url = serve(site, root)
    name = "/root/shards/train-000002.tar"
    data = bytearray(Path(site.files[name]).read_bytes())  # type: ignore[arg-type]
    [row, *_] = [row for row in clip_rows(root) if row["clip_id"] == "a14"]
    data[int(str(row["offset"])) + 5] ^= 1
    site.files[name] = bytes(data)
    options = {"global_batch": 6, "train": True, "reading": Reading(bad_samples=1)}
    with Stream(Dataset.open(url), "train", Window(3, 14, 14), **options) as stream:  # type: ignore[arg-type]
        read = [stream.clip_ids[at] for batch in stream for at in batch.rows if at >= 0]
        assert stream.left_out == 1 and "a14" in stream.bad[0]
    assert sorted([*read, "a14"]) == sorted(row["clip_id"] for row in clip_rows(root))


def clip_rows(root: str) -> list[dict[str, object]]:
    return Dataset.open(root).parts("samples").to_pylist()


def reading(url: str, rank: int = 0, **more: int) -> subprocess.Popen[str]:
    """Start `seen` in a process of its own: workers forked beside the server would keep its
    connections open.
    """
    environment = os.environ | {"PYTHONPATH": str(REPO), "LOCAL_RANK": str(rank)}
    command = [sys.executable, "-c", READING, url, json.dumps({"rank": rank} | more)]
    return subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True)


def said(*readers: subprocess.Popen[str]) -> list[list[str]]:
    return [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_batches_through_faults(site: Site, root: str, workers: int) -> None:
    url = serve(site, root)
    faults = (Fault(drop_after=5000), Fault(status=503), Fault(short_after=9000), None)
    site.faults = lambda path, number: (
        faults[number] if path.endswith(".tar") and number < 4 else None
    )
    assert said(reading(url, workers=workers)) == [seen(root)]
    assert shards_asked(site) == {f"/root/shards/train-{n:06d}.tar": 4 for n in range(SHARDS)}
    assert [start for path, start in site.ranges if path.endswith("0.tar")] == [0, 5000, 14000]


@pytest.mark.parametrize("lanes", [1, 3])
def test_ranks_fetch_each_shard_once_between_them(site: Site, root: str, lanes: int) -> None:
    url, more = serve(site, root), {"world": 3, "lanes": lanes, "global_batch": 6}
    found = said(*(reading(url, rank, workers=rank % 2, **more) for rank in range(3)))
    assert found == [seen(root, rank=rank, **more) for rank in range(3)]
    assert set(shards_asked(site).values()) == {1} and len(shards_asked(site)) == SHARDS


def test_what_was_checked_when_it_came_is_not_looked_through_again(
    site: Site, root: str, tmp_path: Path
) -> None:
    seen(serve(site, root), epochs=1)
    assert not (tmp_path / "scratch" / "verified").exists(), "what a look leaves"
    for copy in (tmp_path / "scratch" / "files").iterdir():
        os.utime(copy)
    assert seen(serve(site, root), epochs=1) == seen(root, epochs=1)
    assert set(shards_asked(site).values()) == {1}


def test_a_small_scratch_folder(
    site: Site, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max(path.stat().st_size for path in Path(root).glob("shards/*"))
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", str(largest * 4 * 2 / 1e9))  # two shards at once
    url = serve(site, root)
    assert seen(url, block=1, global_batch=3) == seen(root, block=1, global_batch=3)
    files = [*(tmp_path / "scratch" / "files").iterdir()]
    assert sum(path.stat().st_size for path in files) <= largest * 8
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", str(largest * 4 / 1e9))  # one shard
    with pytest.raises(ClipmillError, match=r"must be here at once.* CLIPMILL_SCRATCH_GB to 0\.1"):
        seen(url, block=4)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_server_that_goes_away_is_one_error_that_names_the_shard(
    site: Site, root: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    url = serve(site, root)
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "0.5")
    site.faults = lambda path, number: Fault(status=503) if path.endswith("3.tar") else None
    with pytest.raises(StoppedError, match=r"shards/train-000003\.tar cannot be read: 127\."):
        seen(url, workers=workers)


def test_a_shard_that_was_exchanged_is_one_error_that_names_it(site: Site, root: str) -> None:
    url = serve(site, root)
    site.files["/root/shards/train-000002.tar"] = site.files["/root/shards/train-000003.tar"]
    with pytest.raises(ClipmillError, match=r"shards/train-000002\.tar: .*fetched twice"):
        seen(url)
    del site.files["/root/shards/train-000002.tar"]
    absent = r"train-000002\.tar, clip .*: missing or empty \(No such file or directory\)\."
    with pytest.raises(ClipmillError, match=absent):  # and not the path of a copy
        seen(url)


def test_killed_while_it_fetches_it_goes_on(site: Site, root: str, tmp_path: Path) -> None:
    url, stalled = serve(site, root), []

    def stall(path: str, number: int) -> Fault | None:
        if path.endswith(".tar") and number == 0 and len(stalled) < 3:
            stalled.append(path)
            return Fault(stall_after=7000)
        return None

    site.faults = stall
    with reading(url, workers=1) as reader:
        end = time.monotonic() + 60
        while len(stalled) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        reader.send_signal(signal.SIGKILL)
    left = [*(tmp_path / "scratch" / "files").glob(".*.part")]
    assert left, "nothing was on its way"
    assert said(reading(url, workers=1)) == [seen(root)]
    assert not any(path.exists() for path in left)
    whole = [path for path in site.asked if path.endswith(".tar") and site.asked[path] == 1]
    assert len(whole) >= SHARDS - 4, "what was whole came again"


def test_training_gives_the_same_weights(
    site: Site, learnable: Path, tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess]
) -> None:
    url = serve(site, str(learnable))
    options = ["--width=4", "--epochs=2", "--batch=4", "--device=cpu", "--json"]
    weights, scores = [], []
    for number, where in enumerate((str(learnable), url)):
        run = tmp_path / f"run{number}"
        done = cli("train", "--root", where, "--run", run, *options, OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
        weights.append(safetensors.torch.load_file(run / "last.safetensors"))
        out = tmp_path / f"score{number}"
        scoring = ("--checkpoint", run / "last.safetensors", "--split", "test", "--out", out)
        done = cli("score", "--root", where, *scoring, "--device=cpu", "--json")
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(done.stdout))
    assert weights[0].keys() == weights[1].keys() and scores[0] == scores[1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
