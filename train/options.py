"""What a training run was asked to do, checked when it is made and kept in each checkpoint.

Each setting is declared here once: the command line's options and the recipes' keys are these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from model import BUILDERS
from train import settings
from train.settings import setting
from train.trackers import names as trackers

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("plateau", "cosine", "steps", "constant")
MODALITIES = ("rgb", "motion")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
NETWORK, RATE, AUGMENTING, KEEPING = "Network", "Optimizer", "Augmentation", "Keeping"
COMPUTING = "Computing"
SHOWING = "Showing"


@dataclass(frozen=True, slots=True)
class Options:
    """All settings of a run; the defaults are those of the recipe `seed`.

    `batch` counts clips per step over all ranks; `tail` says what becomes of clips that fill none.
    `frames` and `crop` None take the stored frames and 7/8 of the stored height and width (112 of
    128). What is None of the network's settings is as its builder has it.

    Raises:
        ClipmillError: a value out of its range, or an unknown name (naming the nearest).
    """

    model: str = setting("r2plus1d", "The network.", among=BUILDERS, panel=NETWORK)
    width: int | None = setting(
        None, "Planes of the first stage (64; 16 for a CPU).", panel=NETWORK, network=True
    )
    dropout: float | None = setting(
        None, "Part dropped before the head (c3d: 0.5, else 0).", panel=NETWORK, network=True
    )
    modality: str | None = setting(
        None,
        "rgb, or motion: what deviates from the mean picture of the clip.",
        among=MODALITIES,
        panel=NETWORK,
        network=True,
    )
    planes: str | None = setting(
        None,
        "Of r2plus1d_18's pairs: torchvision's, or exact as in the paper.",
        among=("torchvision", "exact"),
        panel=NETWORK,
        network=True,
    )
    relu: bool | None = setting(
        None,
        "Of c3d: off for the seed's weights, which were trained without.",
        panel=NETWORK,
        network=True,
    )
    init: str | None = setting(
        None, "Weights to begin with: a file, or its https or s3 address.", panel=NETWORK
    )
    init_sha256: str | None = setting(
        None, "The sha256 that file must have (or its first 8 digits).", panel=NETWORK
    )
    frames: int | None = setting(None, "Frames taken of the stored ones (all).", panel=NETWORK)
    crop: tuple[int, int] | None = setting(
        None,
        "Pixels taken, as SIDE or HEIGHTxWIDTH (7/8 of stored).",
        form=settings.size,
        panel=NETWORK,
    )
    split_set: str | None = setting(
        None, "Such as split2 (the first); all: each in turn, in RUN/SET."
    )
    epochs: int = setting(100, "Passes over train.", 1, 100_000, free=True)
    batch: int = setting(8, "Clips a step, over all processes.", 1, 1_000_000)
    seed: int = setting(0, "Seed of weights, order and augmentation.", 0, 2**32 - 1)
    lanes: int = setting(
        1, "Parts of the shards that ranks share; a node reads its own.", 1, 1_000_000
    )
    tail: Literal["drop", "pad"] = setting(
        "drop", "drop clips that fill no batch, or pad: repeat some.", among=("drop", "pad")
    )
    balance: bool = setting(False, "Weigh the loss so that every class counts alike.")
    label_smoothing: float = setting(0.0, "Part spread over all classes.", 0.0, 0.99)
    ema: float = setting(
        0.0, "Decay a step of averaged weights, such as 0.99 (0: off).", 0.0, 0.999999
    )
    precise_norms: int = setting(
        0,
        "Clips of train on which norms are measured anew before each look at val (0: off).",
        0,
        10_000_000,
    )
    optimizer: str = setting("adam", "How weights are moved.", among=OPTIMIZERS, panel=RATE)
    lr: float = setting(1e-4, "Learning rate.", 1e-12, 100.0, panel=RATE)
    scale_lr: int = setting(
        0,
        "Batch that --lr is for: it grows and falls with --batch (0: as it is).",
        0,
        1_000_000,
        panel=RATE,
    )
    head_lr: float = setting(
        10.0, "What the rate of a new head is multiplied with, with --init.", 1e-3, 1e3, panel=RATE
    )
    momentum: float = setting(0.9, "Of sgd.", 0.0, 0.999, panel=RATE)
    weight_decay: float = setting(5e-4, "Weight decay.", 0.0, 10.0, panel=RATE)
    schedule: str = setting("plateau", "How the rate falls.", among=SCHEDULES, panel=RATE)
    warmup_epochs: float = setting(0.0, "Epochs of rising rate.", 0.0, 100_000, panel=RATE)
    milestones: tuple[float, ...] = setting(
        (),
        "Epochs after which steps lowers the rate, as 400,450.",
        form=settings.numbers,
        panel=RATE,
    )
    patience: int = setting(10, "Epochs that plateau waits.", 0, 100_000, panel=RATE)
    factor: float = setting(0.1, "By which plateau and steps lower it.", 1e-6, 0.999, panel=RATE)
    flip: bool = setting(
        True, "Mirror half of the clips; off where left and right differ.", panel=AUGMENTING
    )
    least_area: float = setting(
        1.0, "Zoom into parts of at least this area (1: off).", 0.01, 1.0, panel=AUGMENTING
    )
    jitter: float = setting(0.0, "Strength of colour changes (0: off).", 0.0, 1.0, panel=AUGMENTING)
    hue: float = setting(
        0.0, "Turn hues by up to this part of the circle (0: off).", 0.0, 0.5, panel=AUGMENTING
    )
    flip_except: tuple[str, ...] = setting(
        (),
        "Labels never mirrored, such as 'turn left,turn right' (with commas in them: a recipe).",
        form=settings.names,
        panel=AUGMENTING,
    )
    mixup: float = setting(
        0.0, "Alpha of Beta, by which two clips are mixed (0: off).", 0.0, 10.0, panel=AUGMENTING
    )
    precision: str = setting(
        "auto",
        "auto is bf16 on GPUs that have it, elsewhere fp32.",
        among=PRECISIONS,
        panel=COMPUTING,
    )
    accumulate: int = setting(
        1,
        "Parts of a process's clips, one after the other, in one step: less memory. Batch norm "
        "sees each part by itself.",
        1,
        100_000,
        panel=COMPUTING,
        free=True,
    )
    recompute: bool = setting(
        False,
        "Compute again, not keep, what the backward pass needs: less memory, a third more time.",
        panel=COMPUTING,
        free=True,
    )
    tune: bool = setting(
        False,
        "Time the ways to compute a step at the start, keep the fastest.",
        panel=COMPUTING,
        free=True,
    )
    compile: bool = setting(False, "Have torch.compile at the network.", panel=COMPUTING, free=True)
    save_minutes: float = setting(
        10.0, "Between checkpoints in an epoch.", 0.0, 1e6, panel=KEEPING, free=True
    )

    save_steps: int = setting(
        0,
        "Steps between checkpoints (0: by time alone).",
        0,
        1_000_000_000,
        panel=KEEPING,
        free=True,
    )
    keep: int = setting(
        2, "Last checkpoints that are kept.", 1, 1_000_000, panel=KEEPING, free=True
    )
    tracker: tuple[str, ...] = setting(
        ("tensorboard",),
        "Who shows the run: tensorboard, visdom, both with a comma between, or none.",
        form=trackers.named,
        panel=SHOWING,
        free=True,
    )
    visdom: str = setting(
        "http://localhost:8097",
        "Address of a visdom server.",
        form=trackers.address,
        panel=SHOWING,
        free=True,
    )
    log_steps: int = setting(
        10, "Steps from one look at the loss to the next.", 1, 1_000_000, panel=SHOWING, free=True
    )
    test: bool = setting(
        False,
        "Also measure test after each epoch, as the seed did; best is chosen by val alone.",
        panel=SHOWING,
        free=True,
    )

    def __post_init__(self) -> None:
        for name, of in settings.settings(Options).items():
            settings.require(name, getattr(self, name), of)
        if (self.schedule == "steps") != bool(self.milestones):
            raise ClipmillError(
                f"--schedule {self.schedule} with --milestones {list(self.milestones)}; expected "
                "the epochs after which the rate falls with steps, and none (--milestones '') with "
                "another schedule."
            )
        if self.compile and self.recompute:
            raise ClipmillError("--compile with --recompute; expected one of them at most.")

    @property
    def model_options(self) -> dict[str, Any]:
        """The arguments of `model.build`: only what was asked for."""
        asked = {name: getattr(self, name) for name, of in _SETTINGS.items() if of.network}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def rate(self) -> float:
        """The learning rate at this batch: in proportion to it where `scale_lr` is its base.

        Goyal et al., "Accurate, Large Minibatch SGD", 2017.
        """
        return self.lr * (self.batch / self.scale_lr if self.scale_lr else 1)

    def window(self, spec: ClipSpec) -> Window:
        """Return what the network takes of clips stored by `spec`."""
        height, width = self.crop or (spec.height * 7 // 8, spec.width * 7 // 8)
        frames = spec.frames if self.frames is None else self.frames
        window = Window(frames, height, width)
        window.require_inside(spec)
        return window

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the recipe and the checkpoint keep them."""
        values = dataclasses.asdict(self)
        return {key: list(x) if isinstance(x, tuple) else x for key, x in values.items()}

    def require_same(self, saved: Mapping[str, Any], where: str, *, recut: bool = False) -> None:
        """Raise where a continued run would differ from what it continues.

        With `recut` it may have another batch.
        """
        mine, before = self.as_dict(), Options().as_dict() | _flat(saved)
        for key, value in mine.items():
            same = before[key] == value or _SETTINGS[key].free
            if not same and not (recut and key == "batch"):
                cure = ", or add --recut" if key == "batch" else ""
                raise ClipmillError(
                    f"{where} was started with {key} {before[key]!r}, now it is {value!r}. "
                    f"Resume with the same options{cure}, or start a new run in another folder."
                )


def _flat(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a checkpoint; of early ones the network's stand apart."""
    return {**saved} | dict(saved.get("model_options", {}))


_SETTINGS = settings.settings(Options)
