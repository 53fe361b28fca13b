"""What a training run was asked to do, checked when it is made and kept in each checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from manifests.errors import ClipmillError, unknown
from manifests.spec import ClipSpec, Window
from shards.plan import Tail
from train.optim import OPTIMIZERS, SCHEDULES

# What may change between an interrupted run and its continuation without changing the past.
FREE = ("epochs", "save_minutes")
TAILS = ("drop", "pad")


@dataclass(frozen=True, slots=True)
class Options:
    """The defaults are the seed's: Adam 1e-4, weight decay 5e-4, plateau by 0.1, batch 8.

    `batch` counts clips per step over all ranks; `tail` says what becomes of clips that fill none.
    `frames` and `crop` None take the stored frames and 7/8 of the stored height and width (112 of
    128). `model_options` go to `model.build`.
    """

    model: str = "r2plus1d"
    model_options: dict[str, Any] = field(default_factory=dict)
    frames: int | None = None
    crop: tuple[int, int] | None = None
    split_set: str | None = None
    epochs: int = 100
    batch: int = 8
    optimizer: str = "adam"
    lr: float = 1e-4
    weight_decay: float = 5e-4
    schedule: str = "plateau"
    warmup_epochs: float = 0.0
    patience: int = 10
    factor: float = 0.1
    label_smoothing: float = 0.0
    balance: bool = False
    flip: bool = True
    least_area: float = 1.0
    jitter: float = 0.0
    ema: float = 0.0
    seed: int = 0
    lanes: int = 1
    tail: Tail = "drop"
    save_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        if self.tail not in TAILS:
            raise unknown("tail", self.tail, TAILS)
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch", 1, 1_000_000),
            ("lr", 1e-12, 100.0),
            ("weight_decay", 0.0, 10.0),
            ("warmup_epochs", 0.0, 100_000),
            ("patience", 0, 100_000),
            ("factor", 1e-6, 0.999),
            ("label_smoothing", 0.0, 0.99),
            ("least_area", 0.01, 1.0),
            ("jitter", 0.0, 1.0),
            ("ema", 0.0, 0.999999),
            ("lanes", 1, 1_000_000),
            ("save_minutes", 0.0, 1e6),
            ("seed", 0, 2**32 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ClipmillError(
                    f"--{name.replace('_', '-')} {value}; expected {low} to {high}."
                )

    def window(self, spec: ClipSpec) -> Window:
        """Return what the network takes of clips stored by `spec`."""
        height, width = self.crop or (spec.height * 7 // 8, spec.width * 7 // 8)
        frames = spec.frames if self.frames is None else self.frames
        window = Window(frames, height, width)
        window.require_inside(spec)
        return window

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as options.json and the checkpoint keep them."""
        values = dataclasses.asdict(self)
        values["crop"] = None if self.crop is None else list(self.crop)
        return values

    def require_same(self, saved: dict[str, Any], where: str, *, recut: bool = False) -> None:
        """Raise where a continued run would differ from what it continues.

        With `recut` it may have another batch.
        """
        mine, before = self.as_dict(), Options().as_dict() | saved
        for key, value in mine.items():
            if key not in FREE and before[key] != value and not (recut and key == "batch"):
                cure = ", or add --recut" if key == "batch" else ""
                raise ClipmillError(
                    f"{where} was started with {key} {before[key]!r}, now it is {value!r}. "
                    f"Resume with the same options{cure}, or start a new run in another folder."
                )
