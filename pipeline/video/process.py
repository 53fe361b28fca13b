"""The parent's grip on one decoder child: start it, ask it with a deadline, end it for certain.

A start takes about 0.2 s. The child has a process group of its own, so ending it also ends the
ffmpeg it may be running.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError, StoppedError
from manifests.reasons import Reason
from pipeline.video import wire
from pipeline.video.errors import VideoError

START_SECONDS = 60.0
MESSAGE_LENGTH = 10_000
# Isolated (-I): neither the working directory nor PYTHON* variables decide what is imported.
BOOT = (
    "import json, sys; root, rest, fd, memory, starts = sys.argv[1:]; "
    "sys.path.insert(0, root); sys.path += [p for p in json.loads(rest) if p not in sys.path]; "
    "from pipeline.video.child import main; main(int(fd), int(memory), starts == '1')"
)
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "IMAGEIO_FFMPEG_EXE")


class KilledAtStartError(StoppedError):
    """The system ended a child before it said a word: of memory it may have more in a moment."""


class Child:
    """One running decoder child. `versions` are those of its decoder libraries.

    Only one that `starts_programs` can run ffmpeg.
    """

    def __init__(self, memory_bytes: int, starts_programs: bool = False) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        paths = [path for path in sys.path if os.path.isabs(path)]  # noqa: PTH117
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with theirs:
            arguments = [str(ROOT), json.dumps(paths), str(theirs.fileno()), str(memory_bytes)]
            arguments.append(str(int(starts_programs)))
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**kept, **ENVIRONMENT},
                cwd="/",
                start_new_session=True,
            )
        self._owner = os.getpid()
        self.versions: dict[str, str] = self._hello(memory_bytes)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs and is ours: after a fork the child belongs to the process it left."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, message: dict[str, Any], fds: list[int], seconds: float) -> dict[str, Any]:
        """Send one request and wait for its answer; on any trouble the child is ended.

        Raises:
            VideoError: TIMEOUT, MEMORY or CRASH, or what the child says of the video.
        """
        answered = False
        trouble = None
        try:
            self._line.settimeout(seconds)
            wire.send(self._line, message, fds)
            reply = wire.receive(self._line, time.monotonic() + seconds)
            if "reason" in reply:
                trouble = _trouble(reply)
            answered = trouble is None or trouble.reason not in (Reason.MEMORY, Reason.CRASH)
        except TimeoutError as error:
            raise VideoError(
                Reason.TIMEOUT, f"no answer in {seconds:g} s; raise the limit or drop the video"
            ) from error
        except (wire.ClosedError, OSError) as error:
            raise self._obituary(error) from error
        finally:
            # Also for KeyboardInterrupt: a late answer must not meet the next question.
            if not answered:
                self.end()
        if trouble is not None:
            raise trouble
        return reply

    def end(self) -> None:
        """Kill the child and all it has started, and wait until it is gone."""
        self._line.close()
        if self._owner != os.getpid():
            return
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _hello(self, memory_bytes: int) -> dict[str, str]:
        killed = False
        try:
            hello = wire.receive(self._line, time.monotonic() + START_SECONDS)
        except (wire.ClosedError, TimeoutError) as error:
            hello: dict[str, Any] = {"fatal": f"{type(error).__name__} {error}"}
            if isinstance(error, wire.ClosedError):
                killed = self._status() == -signal.SIGKILL
        if isinstance(hello.get("versions"), dict):
            return hello["versions"]
        self.end()
        if killed:
            raise KilledAtStartError(
                "the decoder child was killed while it started, most likely for want of memory. "
                "Run the same command again, with fewer --jobs if it happens twice."
            )
        raise ClipmillError(
            f"the decoder child did not start: {hello.get('fatal')} (exit status "
            f"{self._process.returncode}, memory limit {memory_bytes} bytes). It needs av and "
            "numpy in this environment and some 600 MB of address space."
        )

    def _status(self) -> int | None:
        """Return how a child whose line has ended ended itself; None where it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        return self._process.returncode

    def _obituary(self, error: Exception) -> VideoError:
        status = self._status()
        if status == -signal.SIGXCPU:
            return VideoError(Reason.TIMEOUT, "the decoder used up its CPU time")
        if status is not None and status < 0:
            known = {number.value: number.name for number in signal.Signals}
            name = known.get(-status, f"signal {-status}")
            return VideoError(Reason.CRASH, f"the decoder process was ended by {name}")
        return VideoError(Reason.CRASH, f"the decoder process ended with status {status}: {error}")


def _trouble(reply: dict[str, Any]) -> VideoError:
    """What the child says of the video; a child that was taken over may say anything."""
    text = str(reply.get("message"))[:MESSAGE_LENGTH]
    message = text.encode("utf-8", "backslashreplace").decode()
    try:
        return VideoError(Reason(reply["reason"]), message)
    except (ValueError, TypeError):
        return VideoError(Reason.CRASH, "the decoder process gave a reason that there is none of")
