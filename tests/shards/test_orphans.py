"""Whoever reads is killed: no process and nothing in /dev/shm is left of it, at any moment."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests.dataset import Dataset
from tests.traces import gone, processes_with, shared_names

REPO = Path(__file__).resolve().parents[2]

READER = """
import sys, time
from manifests.dataset import Dataset
from manifests.spec import Window
from shards.reading import Reading
from shards.stream import Stream
stream = Stream(Dataset.open(sys.argv[1]), "train", Window(2, 10, 12), global_batch=4, train=True,
                reading=Reading(workers=2, context=sys.argv[2]))
if __name__ == "__main__":
    for batch in stream:
        print("reading", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_nothing_is_left_of_a_process_that_is_killed(
    uneven: Dataset, mark: str, tmp_path: Path, context: str, early: bool
) -> None:
    """While it works with a batch, or, early, while its workers start."""
    script = tmp_path / "reader.py"
    script.write_text(READER)
    job = subprocess.Popen(
        [sys.executable, str(script), uneven.storage.root, context],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPO), "MARK": mark},
    )
    if early:
        until = time.monotonic() + 90
        while len(processes_with(mark)) < 3:
            assert time.monotonic() < until and job.poll() is None
            time.sleep(0.01)
    else:
        assert job.stdout is not None and job.stdout.readline() == "reading\n"
    running = processes_with(mark)
    assert len(running) >= 3, "the reader and its two workers"
    names = shared_names(running)
    job.kill()
    job.wait()
    gone(mark)
    assert not [name for name in names if Path(name).exists()]
