"""Every example of docs/streaming.md runs as it stands, on a root of the usual ClipSpec."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manifests.dataset import Dataset
from manifests.spec import ClipSpec, Window
from shards.reading import Reading
from shards.stream import Stream

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs/streaming.md").read_text()
EXAMPLES = dict(re.findall(r"^## ([^\n]*)\n```python\n(.*?)^```$", PAGE, re.M | re.S))
SAYS = {
    "A training loop": r"(?s)epochs 1 left out 0 loss .*epochs 2 left out 0 loss ",
    "torchdata's StatefulDataLoader": r"read \[",
    "A webdataset pipeline": r"(?s)0 torch.Size\(\[8, 16, 112, 112, 3\]\) .*1 torch.Size",
    "Plain WebDataset readers": r"(?s)train-00 \(32, 128, 128, 3\) 0 red.*train-23 ",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_root: Callable[..., Path]) -> Path:
    """A folder that has a packed data/mine: 24 clips of train in two shards."""
    found = tmp_path_factory.mktemp("own")
    (found / "data").mkdir()
    make_root(found / "data/mine", ("train",), ClipSpec())
    return found


def test_the_page_has_four_examples() -> None:
    assert EXAMPLES.keys() == SAYS.keys()
    assert PAGE.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize("title", SAYS)
def test_an_example_runs_as_it_stands(folder: Path, title: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EXAMPLES[title]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPO), "WDS_SECURE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[title], done.stdout), done.stdout


def test_the_command_for_tar(folder: Path) -> None:
    [command] = re.findall(r"`(tar tf [^`]*)`", PAGE)
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=True)
    assert {name.partition(".")[2] for name in done.stdout.split()} == {"npy", "cls", "json"}


def shared_mb() -> int:
    """Memory that this process shares with its readers, in MB."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if "memfd:clipmill-slots" in line]
    return round(sum(int(end, 16) - int(start, 16) for start, end in spans) / 1e6)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without it, what is free is what `close` freed."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_the_memory_is_as_the_table_says_and_ends_with_the_stream(
    tmp_path: Path, noisy: Callable[..., Dataset]
) -> None:
    dataset = noisy(tmp_path / "root", (32,), spec=ClipSpec(frames=16, height=112, width=112))
    gc.collect()
    before = shared_mb()  # of streams that earlier tests have left to their exceptions
    table = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.M)
    assert [row[0] for row in table] == ["8", "32"]
    for share, *cells in table:
        for workers, told in zip((0, 1, 2, 4), cells, strict=True):
            reading = Reading(workers=workers)
            options = {"global_batch": int(share), "train": True, "reading": reading}
            with Stream(dataset, "train", Window(16, 112, 112), **options) as stream:
                next(iter(stream))
                assert shared_mb() - before == int(told), f"{share} clips, {workers} workers"
            del stream
            assert shared_mb() == before
