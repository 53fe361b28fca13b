"""A child that is killed before it has said a word: started once more, and not for ever."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from manifests.errors import StoppedError
from pipeline.video.decoder import Decoder


@contextmanager
def killing(most: int) -> Iterator[list[int]]:
    """Kill the first `most` children of this process that have just been started."""
    killed: list[int] = []
    others = children()  # of other tests, in the same process
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for pid in children() - others - {*killed}:
                if len(killed) < most and is_decoder(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def children() -> set[int]:
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since
            found |= {*map(int, path.read_text().split())}
    return found


def is_decoder(pid: int) -> bool:
    try:
        return b"pipeline.video.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_child_killed_at_its_start_is_started_once_more() -> None:
    with killing(1) as killed, Decoder() as decoder:
        assert "av" in decoder.versions()
    assert len(killed) == 1


def test_one_that_is_killed_twice_stops_the_run_and_may_go_on() -> None:
    with (
        killing(2) as killed,
        Decoder() as decoder,
        pytest.raises(StoppedError, match=r"killed while it started.*same command again"),
    ):
        decoder.versions()
    assert len(killed) == 2
