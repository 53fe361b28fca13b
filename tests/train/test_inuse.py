"""One job a run folder: a second one is told who is there, and a killed one leaves no lock."""

import os
import signal
from pathlib import Path

import pytest

from manifests.errors import StoppedError
from train.inuse import NAME, RESTARTS, holding, require_free


def held_by_a_child(folder: Path, grandchild: bool = False) -> int:
    """Hold a folder in another process until it is killed; with a child of its own, a reader."""
    ready, done = os.pipe()
    child = os.fork()
    if not child:
        with holding(folder):
            if grandchild and not os.fork():
                os.write(done, f"{os.getpid():10}".encode())
                signal.pause()
            os.write(done, b" " * 10 if not grandchild else b"")
            signal.pause()
        os._exit(1)
    told = os.read(ready, 10).strip()
    if grandchild:
        os.environ["READER"] = told.decode()
    return child


def ended(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_second_job_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    require_free(folder)
    assert not folder.exists(), "looking makes nothing"
    child = held_by_a_child(folder)
    try:
        for look in (lambda: require_free(folder), lambda: holding(folder).__enter__()):
            with pytest.raises(StoppedError, match=rf"in use: process {child} on .*, since 20"):
                look()
    finally:
        ended(child)
    require_free(folder)
    with holding(folder):
        assert str(os.getpid()) in (folder / NAME).read_text()
    require_free(folder)


def test_readers_that_outlive_a_killed_job_do_not_hold_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READER", "")
    child = held_by_a_child(tmp_path, grandchild=True)
    ended(child)
    try:
        require_free(tmp_path)
    finally:
        os.kill(int(os.environ["READER"]), signal.SIGKILL)


def test_a_restarted_job_waits_for_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = held_by_a_child(tmp_path)
    monkeypatch.setenv(RESTARTS, "1")
    killer = os.fork()
    if not killer:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.pause()
        os.kill(child, signal.SIGKILL)
        os._exit(0)
    with holding(tmp_path):
        pass
    os.waitpid(killer, 0)
    os.waitpid(child, 0)
