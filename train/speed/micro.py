"""Forward and backward over one rank's share of a batch, in parts where memory is short.

Gradients of the parts add up to those of the whole, up to rounding. Batch norm alone sees each part
by itself: its statistics are of fewer clips, as they would be on more GPUs. On several ranks
gradients are exchanged once, with the last part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.amp import GradScaler


def parts(count: int, most: int) -> Iterator[slice]:
    """Yield at most `most` slices of `count` clips, of sizes that differ by one at most."""
    pieces = max(1, min(most, count))
    for piece in range(pieces):
        yield slice(count * piece // pieces, count * (piece + 1) // pieces)


def learn(
    replica: nn.Module,
    clips: Tensor,
    loss_of: Callable[[Tensor, slice], Tensor],
    computing: Callable[[], contextlib.AbstractContextManager[object]],
    scaler: GradScaler,
    most: int = 1,
) -> tuple[Tensor, Tensor]:
    """Add the gradients of a share to the weights'; return its loss and logits (N, classes).

    `loss_of` gives the loss of a part's float32 logits, and parts' losses add up to the share's.
    `computing` makes the context in which the network is run.
    """
    losses, logits = list[Tensor](), list[Tensor]()
    slices = list(parts(len(clips), most))
    for number, part in enumerate(slices, 1):
        with _alone(replica) if number < len(slices) else contextlib.nullcontext():
            with computing():
                found = replica(clips[part])
            loss = loss_of(found.float(), part)
            scaler.scale(loss).backward()
        losses.append(loss.detach())
        logits.append(found.detach().float())
    return torch.stack(losses).sum(), torch.cat(logits)


def _alone(replica: nn.Module) -> contextlib.AbstractContextManager[object]:
    """Keep DDP from exchanging gradients."""
    silent = getattr(replica, "no_sync", None)
    return contextlib.nullcontext() if silent is None else silent()
