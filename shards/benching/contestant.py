"""The other side: start contestants, let one at a time run, end them all.

A contestant is a session of processes. Before another one has its turn, it has read ahead what it
may and is quiet. Each ends when its stdin does, so also with a parent that was killed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shards.benching.processes import alive, cpu_seconds, members

PATIENCE_S = 600.0
_ENDS_S, _DIES_S = 5.0, 5.0
_SETTLES_S, _LOOK_S, _QUIET = 10.0, 0.05, 0.1
HOUSE = Path(__file__).resolve().parents[2]  # where the packages lie


class Lost(Exception):
    """A contestant ended or fell silent; the message is the last thing it said."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to."""

    clips: int
    seconds: float
    waited_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Clips a second."""
        return self.clips / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time a clip, of all processes."""
        return 1000 * self.cpu_s / self.clips

    @property
    def waiting(self) -> float:
        """The part of the time that was spent waiting for data."""
        return self.waited_s / self.seconds


class Contestant:
    """A session that serves rounds (see rounds.py), from when it is `ready`."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        path = os.pathsep.join([str(HOUSE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | {"PYTHONPATH": path} | dict(environment or {}),
            start_new_session=True,
            bufsize=0,
        )
        self._buffer = b""
        self.about: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def session(self) -> int:
        """The id of its session, and of its first process."""
        return self._process.pid

    def ready(self) -> Self:
        """Wait for its first batch; `about` is then what it said of itself.

        Raises:
            Lost: it did not come to it.
        """
        self.about = self._answer()
        self._settle()
        return self

    def round(self, steps: int, rate: float | None = None) -> Round:
        """Let it do a round; when it is told, it is quiet again.

        Raises:
            Lost: it ended, or said nothing for ten minutes.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"steps": steps, "rate": rate}).encode() + b"\n")
        except BrokenPipeError:
            raise Lost(self._last_words()) from None
        found = Round(**self._answer())
        self._settle()
        return found

    def close(self) -> None:
        """End it: first as an end of work, then all that is left of its session."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._until_gone(_ENDS_S)
        for process in alive(self.session):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._until_gone(_DIES_S)
        self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _until_gone(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while alive(self.session) and time.monotonic() < until:
            self._process.poll()
            time.sleep(0.02)

    def _settle(self) -> None:
        """Wait until it uses next to no processor time: its queues are full."""
        until, used = time.monotonic() + _SETTLES_S, math.inf
        while used > _QUIET * _LOOK_S and time.monotonic() < until:
            before = cpu_seconds(members(self.session))
            time.sleep(_LOOK_S)
            used = cpu_seconds(members(self.session)) - before

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not waiting.select(PATIENCE_S):
                    raise Lost(f"it said nothing for {PATIENCE_S:.0f} s")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise Lost(self._last_words())
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        return lines[-1][:200] if lines else "it ended without a word"
