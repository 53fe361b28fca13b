"""Out of memory in a step: find out how many clips a process can take, and say so.

Costs nothing until it happens; then some forward and backward passes over halves of the share.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator

import torch
from torch import Tensor

from manifests.errors import ClipmillError
from train.session import Session

# What torch says on a CPU, by its own allocator and by oneDNN's.
_SHORT = ("DefaultCPUAllocator", "could not create a primitive")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, of a GPU or of the machine."""
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in _SHORT)


@contextlib.contextmanager
def explained(session: Session, pixels: Tensor) -> Iterator[None]:
    """Turn the end of memory within the block into an error that names a batch that fits.

    Raises:
        ClipmillError: a step over these clips (N, T, H, W, C) needs more memory than there is.
    """
    short = ""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        short = str(error).partition("\n")[0][:200]
        traceback.clear_frames(error.__traceback__)  # they hold what the step had made
    if short:
        raise _too_large(session, pixels, short)


def _too_large(session: Session, pixels: Tensor, short: str) -> ClipmillError:
    options, ranks, share = session.options, session.world.size, len(pixels)
    session.optimizer.zero_grad(set_to_none=True)
    clips = share // 2
    while clips and not _fits(session, pixels[:clips]):
        clips //= 2
    cure = "Not even one clip fits: take a smaller --crop, --frames or --width, or --recompute."
    if clips:
        parts = options.accumulate * -(-share // clips)
        cure = (
            f"{clips} of a process's {share} fit: use --batch {clips * ranks}, or --accumulate "
            f"{parts} to keep the batch; --recompute makes room too."
        )
    return ClipmillError(
        f"out of memory in a step of --batch {options.batch} ({short}). {cure} Then run the same "
        "command with --resume."
    )


def _fits(session: Session, pixels: Tensor) -> bool:
    """Try a forward and a backward pass; by `grad`, of which other processes hear nothing."""
    if session.world.device.type == "cuda":
        torch.cuda.empty_cache()
    weights = [value for value in session.network.parameters() if value.requires_grad]
    try:
        with session.computing():
            logits = session.network(session.normalise(pixels.to(session.world.device)))
        torch.autograd.grad(logits.float().sum(), weights, allow_unused=True)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)
        return False
    return True
