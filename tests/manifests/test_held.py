"""Locks of a process: none of them is a forked child's, and nothing is closed twice."""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

from manifests.held import Held


def in_child(work: Callable[[], bool]) -> int:
    child = os.fork()
    if not child:
        try:
            os._exit(int(work()))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_closing_twice_closes_nothing_else(tmp_path: Path) -> None:
    one = Held(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    number = one.fd
    one.close()
    other = os.open(tmp_path / "file", os.O_RDONLY)
    assert one.fd == -1 and other == number
    one.close()
    assert os.fstat(other).st_ino
    os.close(other)


def test_a_child_finds_it_closed_and_can_open_its_own(tmp_path: Path) -> None:
    one = Held(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    fcntl.flock(one.fd, fcntl.LOCK_EX)

    def work() -> bool:
        if one.fd != -1:
            return True
        own = Held(tmp_path / "file", os.O_RDWR)
        one.close()
        try:
            fcntl.flock(own.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.fstat(own.fd).st_size != 0  # the parent's lock stands
        return True

    assert in_child(work) == 0
    one.close()


def test_children_of_a_process_whose_threads_open_files(tmp_path: Path) -> None:
    end = threading.Event()

    def busy() -> None:
        while not end.is_set():
            one = Held(tmp_path / "file", os.O_RDWR | os.O_CREAT)
            fcntl.flock(one.fd, fcntl.LOCK_EX)
            one.close()

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):

            def open_files() -> bool:
                links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
                there = [link.readlink() for link in links if os.path.lexists(link)]
                return tmp_path / "file" in there

            assert in_child(open_files) == 0
    finally:
        end.set()
        for thread in threads:
            thread.join()
