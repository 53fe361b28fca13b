"""Contestants: real sessions that answer, fail, fall silent, leave children behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shards.benching import contestant
from shards.benching.contestant import HOUSE, Contestant, Lost
from shards.benching.processes import alive

SERVES = """
import itertools, sys, time
import numpy as np
from shards.benching.rounds import channel, serve
answers = channel()
print("chatter that is no answer")
{}
serve((np.zeros((4, 2), np.uint8) for _ in itertools.count()), 0, answers, kept="yes")
"""
CHILD = "import subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"


@contextlib.contextmanager
def started(code: str = "") -> Iterator[Contestant]:
    with Contestant([sys.executable, "-c", SERVES.format(code)]) as one:
        yield one.ready()


def test_rounds_and_what_it_said_of_itself() -> None:
    with started() as one:
        assert one.about == {"shape": [4, 2], "kind": "uint8", "kept": "yes"}
        found = one.round(5)
        assert found.clips == 20 and found.rate == 20 / found.seconds
        slow = one.round(2, rate=100.0)
        assert slow.seconds >= 0.08 and 0 <= slow.waiting < 0.5 and slow.cpu_ms > 0
    assert alive(one.session) == []


def test_its_last_words_are_told() -> None:
    failing = "raise ValueError('no such library')"
    with pytest.raises(Lost, match="ValueError: no such library"), started(failing):
        pass


def test_one_that_ends_between_rounds() -> None:
    with started() as one:
        os.kill(one.session, signal.SIGKILL)
        with pytest.raises(Lost, match="chatter that is no answer"):
            one.round(1)


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestant, "PATIENCE_S", 0.3)
    monkeypatch.setattr(contestant, "_ENDS_S", 0.1)
    with pytest.raises(Lost, match="said nothing"), started("time.sleep(60)"):
        pass


def test_children_that_stay_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestant, "_ENDS_S", 0.3)
    with started(CHILD) as one:
        assert len(alive(one.session)) == 2
    assert alive(one.session) == []


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from shards.benching.contestant import Contestant
one = Contestant([sys.executable, "-c", {SERVES.format("")!r}]).ready()
Path({str(tmp_path / "session.part")!r}).write_text(str(one.session))
Path({str(tmp_path / "session.part")!r}).rename({str(tmp_path / "session")!r})
time.sleep(60)
"""
    environment = os.environ | {"PYTHONPATH": str(HOUSE)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    until = time.monotonic() + 60
    while not (tmp_path / "session").exists() and time.monotonic() < until:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    session = int((tmp_path / "session").read_text())
    while alive(session) and time.monotonic() < until:
        time.sleep(0.02)
    assert alive(session) == []
