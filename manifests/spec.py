"""ClipSpec: the one preprocessing truth, carried by dataset.toml, shard rows and checkpoints.

Costs nothing: a frozen value type that checks itself when it is made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from manifests.errors import ClipmillError, unknown

SAMPLINGS = ("stride", "fps", "uniform")
FITS = ("crop", "stretch", "pad")
CODECS = ("raw", "jpeg")
CHANNELS = 3
MAX_VIEWS = 32
MAX_FRAMES = 4096  # of all views of a clip together
MAX_STRIP = 65_500  # pixels: the height that JPEG allows


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """How a video becomes a stored clip: uint8 RGB of shape (frames, height, width, 3).

    `sampling` says which frames are taken: `stride` every `rate`-th, `fps` at `rate` frames a
    second by timestamp, `uniform` spread over the whole span (`rate` is then 1). `fit` says how a
    frame becomes height x width: `crop` scales the short side and cuts the centre, `stretch`
    ignores the aspect ratio, `pad` keeps it and fills with black. `codec` is the tar member:
    `raw` a .npy, `jpeg` one q95 strip. `views` is the number of
    samples of a clip that is in the split `test` of any split set; all others have one.

    Raises:
        ClipmillError: a value outside its range, naming the range.
    """

    frames: int = 32
    sampling: str = "stride"
    rate: float = 4
    height: int = 128
    width: int = 128
    fit: str = "crop"
    codec: str = "raw"
    views: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("frames", 1, 1024),
            ("height", 8, 2048),
            ("width", 8, 2048),
            ("views", 1, MAX_VIEWS),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ClipmillError(
                    f"ClipSpec {name} is {value!r}; expected a whole number from {low} to {high}."
                )
        for kind, value, allowed in (
            ("sampling", self.sampling, SAMPLINGS),
            ("fit", self.fit, FITS),
            ("codec", self.codec, CODECS),
        ):
            if value not in allowed:
                raise unknown(f"ClipSpec {kind}", str(value), allowed)
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float):
            raise ClipmillError(f"ClipSpec rate is {self.rate!r}; expected a number above 0.")
        if not 0 < self.rate <= 1000:
            raise ClipmillError(f"ClipSpec rate is {self.rate}; expected above 0, at most 1000.")
        if self.sampling == "stride" and self.rate != int(self.rate):
            raise ClipmillError(f"ClipSpec stride is {self.rate}; expected a whole number.")
        if self.sampling == "uniform" and self.rate != 1:
            raise ClipmillError(f"ClipSpec rate is {self.rate} with uniform sampling; expected 1.")
        if self.frames * self.views > MAX_FRAMES:
            raise ClipmillError(
                f"ClipSpec stores {self.views} views of {self.frames} frames; expected at most "
                f"{MAX_FRAMES} frames together. Use fewer views or frames."
            )
        if self.codec == "jpeg" and self.frames * self.height > MAX_STRIP:
            raise ClipmillError(
                f"ClipSpec stores {self.frames} frames of height {self.height} as one jpeg strip; "
                f"expected at most {MAX_STRIP} pixels together. Use codec raw or fewer frames."
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one stored clip: (T, H, W, C)."""
        return self.frames, self.height, self.width, CHANNELS

    @property
    def nbytes(self) -> int:
        """Bytes of one stored clip's pixels before any compression."""
        return self.frames * self.height * self.width * CHANNELS

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the sha256 of the canonical JSON."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, equal numbers written equally (4.0 and 4 are one spec)."""
        values = dataclasses.asdict(self)
        values["rate"] = float(self.rate)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> ClipSpec:
        """Build from a table of dataset.toml or a checkpoint; `where` names it in errors."""
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise unknown(f"ClipSpec key in {where}", str(key), names)
        missing = [name for name in names if name not in values]
        if missing:
            raise ClipmillError(f"{where}: ClipSpec lacks {', '.join(missing)}.")
        return cls(**values)

    def require(self, other: ClipSpec, mine: str, theirs: str) -> None:
        """Raise unless `other` is the same spec; the message names both sides and what differs."""
        if self == other:
            return
        ours, others = self.as_dict(), other.as_dict()
        differences = ", ".join(
            f"{key} {ours[key]} against {others[key]}" for key in ours if ours[key] != others[key]
        )
        raise ClipmillError(
            f"ClipSpec of {mine} ({self.digest}) is not that of {theirs} ({other.digest}): "
            f"{differences}. Use data and checkpoint that were made with one spec."
        )


class Window(NamedTuple):
    """What a network takes of a stored clip: frames, and the crop's height and width in pixels."""

    frames: int
    height: int
    width: int

    def require_inside(self, spec: ClipSpec) -> None:
        """Raise unless the window fits into clips stored by `spec`."""
        stored = (spec.frames, spec.height, spec.width)
        if all(1 <= mine <= most for mine, most in zip(self, stored, strict=True)):
            return
        raise ClipmillError(
            f"a window of {self.frames} frames of {self.height}x{self.width} does not fit into "
            f"stored clips of {spec.frames} frames of {spec.height}x{spec.width}; expected at "
            "least 1 and at most the stored of each. Take smaller --frames or --crop, or pack "
            "with a larger ClipSpec."
        )


NAMED: dict[str, ClipSpec] = {
    "seed": ClipSpec(),
    "seed-jitter": ClipSpec(frames=64),
    "paper": ClipSpec(rate=2, height=128, width=171, fit="stretch"),
}
