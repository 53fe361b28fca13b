"""Find the step at which a loss stops being a number, name its clips, and keep it out of files.

Losses stay on the device and are looked at every step on a CPU, where that is free, and every 20
steps on a GPU, where each look waits for it. Before anything is saved or evaluated losses and
weights are looked at: one pass over the weights and one collective.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from manifests.errors import ClipmillError
from model.world import World

EVERY = 20  # steps, on a GPU
NAMED = 8  # clips in the message
_NONE = 2**62  # the step of ranks that saw nothing


class Watch:
    """The losses of this rank's last steps, with the rows of their clips."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, Tensor, NDArray[np.int64]]] = []
        self._bad: tuple[int, float, NDArray[np.int64]] | None = None
        self._newest: tuple[int, NDArray[np.int64]] = (0, np.empty(0, np.int64))

    def saw(self, step: int, loss: Tensor, rows: NDArray[np.int64]) -> None:
        """Note a step's loss (a scalar on the device) and which clips it was of."""
        rows = rows[rows >= 0].copy()
        self._newest = (step, rows)
        self._steps.append((step, loss, rows))

    def due(self) -> bool:
        """Whether a loss was found that is none; looks when it is time to."""
        enough = EVERY if self._steps and self._steps[0][1].is_cuda else 1
        return self.look() if len(self._steps) >= enough else self._bad is not None

    def look(self) -> bool:
        """Whether a loss was found that is none; waits for the device."""
        if self._steps and self._bad is None:
            values = torch.stack([loss for _, loss, _ in self._steps]).tolist()
            for (step, _, rows), value in zip(self._steps, values, strict=True):
                if not math.isfinite(value):
                    self._bad = (step, value, rows)
                    break
        self._steps.clear()
        return self._bad is not None

    def require_finite(self, world: World, networks: Iterable[nn.Module], clips: list[str]) -> None:
        """Raise on every rank alike if a loss or a weight of any rank is not finite.

        Raises:
            ClipmillError: naming the step and the clips.
        """
        bad = 2 if self.look() else 0 if all(map(finite, networks)) else 1
        worst = world.most(bad)
        if worst:
            raise self.error(world, clips, loss=worst == 2)

    def error(self, world: World, clips: list[str], loss: bool = True) -> ClipmillError:
        """Return the error for the first bad step of all ranks; a collective.

        Where no loss is at fault, but a weight, the newest step's clips are named.
        """
        step, rows = self._newest
        if loss:
            step, _, rows = self._bad or (_NONE, 0.0, rows)
        first = -world.most(-step)
        mine = rows if step == first else rows[:0]
        longest = world.most(len(mine))
        padded = np.full(max(longest, 1), -1, np.int64)
        padded[: len(mine)] = mine
        parts = world.gather(torch.from_numpy(padded).to(world.device))
        found = [clips[row] for row in torch.cat(parts).tolist() if row >= 0]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        what = "the loss is no finite number" if loss else "weights are no finite numbers"
        return ClipmillError(
            f"training has diverged: {what} at step {first}, with the clips "
            f"{', '.join(found[:NAMED])}{more}. Nothing of it was saved: the last checkpoint is of "
            "before. Start a new run with a smaller --lr or more --warmup-epochs, or look at "
            "those clips with `clipmill inspect --clip ID`."
        )


@torch.no_grad()
def finite(network: nn.Module) -> bool:
    """Whether all weights and statistics are finite numbers; waits for the device once."""
    values = [x for x in network.state_dict().values() if x.is_floating_point()]
    if not values:
        return True
    # A sum is a finite number only where all that is summed is.
    return bool(torch.stack([value.sum(dtype=torch.float32) for value in values]).isfinite().all())
