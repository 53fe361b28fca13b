"""Why a job of many processes ended: the reason of the first that failed, told once.

A process that fails leaves its reason where torchrun looks for it (TORCHELASTIC_ERROR_FILE) and
torchrun shows it as the root cause. One that only lost the others says so in a sentence and ends
after them, so that it is not taken for the cause.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch.distributed as dist

from manifests.cli import TOLD
from manifests.errors import ClipmillError, StoppedError

AFTER_S = 5.0  # torchrun looks at its processes ten times a second
_LOST = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL", "ncclRemoteError")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Leave the reason of what ends the block for torchrun, unless it is the end of another.

    Raises:
        StoppedError: in place of torch's own error when another process has ended.
    """
    try:
        yield
    except ClipmillError as error:
        _leave(str(error))
        raise
    except Exception as error:
        if not _lost(error):
            _leave("".join(traceback.format_exception(error)))
            raise
        with contextlib.suppress(KeyboardInterrupt):  # torchrun ends us, having seen the other
            time.sleep(AFTER_S)
        raise StoppedError(
            "another process of this job has ended, so this one does too: torchrun tells its "
            "reason under `Root Cause`. Then run the same command with --resume."
        ) from error


def _lost(error: Exception) -> bool:
    """Whether a collective failed because another process has gone."""
    known = isinstance(error, RuntimeError | dist.DistError)
    return known and any(word in str(error) for word in _LOST)


def _leave(reason: str) -> None:
    """Write torchrun's error file, where it has named one."""
    if name := os.environ.get(TOLD):
        values = {"message": reason, "timestamp": str(int(time.time()))}
        with contextlib.suppress(OSError):
            Path(name).write_text(json.dumps(values))
