"""What a session uses, held against processes that use a known amount."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from shards.benching import processes

BUSY = "import time; u = time.process_time() + {}\nwhile time.process_time() < u: pass\n"
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A starter of Python code in a session of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_cpu_time_of_a_process_and_of_children_that_live_and_that_ended(start: Start) -> None:
    child = f"subprocess.run([sys.executable, '-c', {BUSY.format(0.2)!r}])"
    waits = BUSY.format(0.2) + "print(flush=True); input()"
    lives = f"subprocess.Popen([sys.executable, '-c', {waits!r}], stdout=subprocess.PIPE)"
    code = f"import subprocess, sys\n{child}\np = {lives}\np.stdout.readline()\n"
    process = start(code + BUSY.format(0.2) + "print('ready', flush=True); input()")
    members = processes.members(process.pid)
    assert len(members) == 2 and process.pid in members
    assert 0.6 <= processes.cpu_seconds(members) < 2.0
    assert processes.cpu_seconds([process.pid]) < processes.cpu_seconds(members) - 0.19


def test_memory_that_is_no_file_s(start: Start) -> None:
    small = start("print('ready', flush=True); input()")
    large = start("x = b'1' * 50_000_000; print('ready', flush=True); input()")
    difference = processes.own_memory([large.pid]) - processes.own_memory([small.pid])
    assert 45e6 < difference < 60e6


def test_who_is_alive(start: Start) -> None:
    process = start("print('ready', flush=True); input()")
    assert processes.alive(process.pid) == [process.pid]
    process.kill()
    until = time.monotonic() + 10
    while processes.alive(process.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert processes.alive(process.pid) == []
    assert processes.members(process.pid) == [process.pid]  # nobody waited for it yet
    process.wait()
    assert processes.members(process.pid) == []
    assert processes.cpu_seconds([process.pid]) == processes.read_bytes([process.pid]) == 0
