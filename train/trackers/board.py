"""TensorBoard: event files in RUN/tensorboard, for `tensorboard --logdir RUN/tensorboard`.

Everything is drawn over the clips that train has seen, so that runs of different batches lie over
one another. A run that goes on begins a file of its own, which takes back what was written after
its checkpoint; and all that lies behind a checkpoint is on the disk before it: no point is missing
and none stands twice. A thread of TensorBoard writes; an epoch costs a few hundred kB.
"""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from train.curve import Curve
from train.figures import NAMES, SPLITS
from train.trackers import pictures
from train.trackers.told import Told

OTHERS = {
    "learning rate": "lr",
    "speed/clips per s": "clips_per_s",
    "speed/share of time waiting for data": "waiting",
    "speed/seconds an epoch": "seconds",
    "memory/process MB": "memory_mb",
    "memory/GPU MB": "gpu_memory_mb",
}
FLUSH_S = 10


class Board:
    """Writes event files for TensorBoard."""

    name = "tensorboard"

    def __init__(self, folder: Path, clips: int) -> None:
        # Of what earlier files hold, the points from `purge_step` on are taken back.
        self._writer = SummaryWriter(str(folder), purge_step=clips + 1, flush_secs=FLUSH_S)

    def step(self, curve: Curve) -> None:
        """Write the loss of a step."""
        if curve.last is not None:
            clips, loss = curve.last
            self._writer.add_scalar("loss/of a step", loss, clips)

    def epoch(self, told: Told) -> None:
        """Write an epoch's figures and pictures."""
        row, clips = told.row, int(told.row["clips"])
        tags = {f"{name}/{split}": f"{split}_{name}" for name in NAMES for split in SPLITS}
        for tag, name in (tags | OTHERS | {"epoch": "epoch"}).items():
            if (value := row.get(name)) is not None:
                self._writer.add_scalar(tag, value, clips)
        for split, measured in told.found.items():
            drawn = pictures.confusion(split, measured, told.labels)
            self._image(f"confusion/{split}", drawn, clips)
            if measured.worst:
                drawn = pictures.worst(measured.worst, told.labels)
                self._image(f"worst errors/{split}", drawn, clips)

    def _image(self, tag: str, png: bytes, clips: int) -> None:
        self._writer.add_image(tag, pictures.pixels(png), clips, dataformats="HWC")

    def flush(self) -> None:
        """Have all that was told on the disk."""
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()
