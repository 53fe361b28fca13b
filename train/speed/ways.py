"""In what way a step is computed: nothing of it changes what is learned, but for rounding.

`usual` says what is taken without a measurement; `--tune` (train/speed/tune.py) measures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from train.options import Options
from train.speed import precision


@dataclass(frozen=True, slots=True)
class Ways:
    """The choices; `precision` is one of fp32, bf16 and fp16.

    `channels_last` lays planes in memory as the shards do (N, T, H, W, C), `fused` moves all
    weights in one kernel, `padded` fills middle planes up to multiples of eight
    (model/padding.py), `compiled` is torch.compile. On GPUs alone: `tf32` lets products of fp32 be
    of 10 bits, `searched` has cuDNN measure its algorithms for each shape.
    """

    precision: str = "fp32"
    channels_last: bool = True
    fused: bool = False
    compiled: bool = False
    padded: bool = False
    tf32: bool = True
    searched: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Ways:
        """Return the ways that `as_dict` told; what an earlier clipmill did not know is usual."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: x for key, x in values.items() if key in known})

    @property
    def layout(self) -> torch.memory_format:
        """How planes lie in memory."""
        return torch.channels_last_3d if self.channels_last else torch.contiguous_format


def usual(options: Options, device: torch.device) -> Ways:
    """Return what is taken on a device without a measurement.

    Fused optimizers are for GPUs: on a CPU they gain nothing and round otherwise.
    """
    return Ways(
        precision=precision.resolve(options.precision, device),
        fused=device.type == "cuda",
        compiled=options.compile,
    )


def prepare(ways: Ways, device: torch.device) -> None:
    """Set what torch keeps for the whole process; on a CPU there is nothing to set."""
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = ways.tf32
    torch.backends.cudnn.allow_tf32 = ways.tf32
    torch.backends.cudnn.benchmark = ways.searched
