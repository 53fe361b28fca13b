"""Threads that end when asked, and results that come as they are made."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.errors import StoppedError
from pipeline.threads import in_threads

REPO = Path(__file__).resolve().parents[2]


def doubled(unit: int) -> Iterator[int]:
    yield 2 * unit
    yield 2 * unit + 1


@pytest.mark.parametrize("jobs", [1, 3, 50])
def test_threads_do_every_unit_once(jobs: int) -> None:
    found = in_threads(doubled, range(20), jobs, threading.Event())
    assert sorted(found) == list(range(40))


def test_threads_do_nothing_where_there_is_nothing() -> None:
    assert list(in_threads(doubled, [], 4, threading.Event())) == []


def test_an_error_of_one_thread_ends_all_and_what_came_is_kept() -> None:
    stop, asked = threading.Event(), []

    def work(unit: int) -> Iterator[int]:
        asked.append(unit)
        yield unit
        if unit == 5:
            raise StoppedError("the disk is full")
        stop.wait(0.01)

    found = []
    with pytest.raises(StoppedError, match="disk is full"):
        found.extend(in_threads(work, range(1000), 2, stop))
    assert stop.is_set() and len(asked) < 100


def test_closing_ends_threads_that_wait_for_a_reader() -> None:
    stop = threading.Event()

    def work(unit: int) -> Iterator[int]:
        while not stop.is_set():
            yield unit

    before = threading.active_count()
    results = in_threads(work, range(8), 4, stop)
    next(results)
    results.close()
    assert stop.is_set() and threading.active_count() == before


def test_an_interruption_hands_over_what_is_in_hand() -> None:
    program = """
import os, signal, sys, threading, time
from pipeline.threads import in_threads
stop = threading.Event()
def work(unit):
    stop.wait(30)
    yield unit
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
found = []
try:
    for one in in_threads(work, range(100), 4, stop):
        found.append(one)
except KeyboardInterrupt:
    print(sorted(found), flush=True)
    sys.exit(7)
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == "[0, 1, 2, 3]"
    assert time.monotonic() - started < 20
