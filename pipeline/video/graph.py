"""The one filter chain from a decoded frame to a stored picture, used by both backends.

Pure. Sizes are expressions over the frame's own width and height (`iw`, `ih`), so a video that
changes size in mid-stream goes through the same chain. Scaling comes first: what follows touches
few pixels. It writes three planes, for which libswscale has SIMD code (half the time; the values
are those it would write side by side, 1 level apart in some pictures that are enlarged or 4:4:4),
and they are woven together at the end. `area` averages when it shrinks; `full_chroma_int` keeps
colours as sharp as brightness (without it they have half the stored width); `bitexact` keeps SIMD
code from differing.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifests.spec import ClipSpec

SWS_FLAGS = "area+accurate_rnd+full_chroma_int+bitexact"


@dataclass(frozen=True, slots=True)
class Step:
    """One libavfilter filter and its options."""

    name: str
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to turn decoded frames upright: a vertical flip first, then clockwise degrees."""

    rotation: int = 0
    flipped: bool = False


def chain(orientation: Orientation, spec: ClipSpec) -> tuple[Step, ...]:
    """Return the filters that make an upright RGB picture of spec.height x spec.width."""
    sideways = orientation.rotation in (90, 270)
    # The scaler still sees the picture lying on its side, so its targets are swapped.
    wide, high = (spec.height, spec.width) if sideways else (spec.width, spec.height)
    width, height = _scaled(spec.fit, wide, high)
    return (
        Step("scale", {"w": width, "h": height, "flags": SWS_FLAGS}),
        Step("format", {"pix_fmts": "gbrp"}),
        *_upright(orientation),
        *_framed(spec),
        Step("scale", {"flags": SWS_FLAGS}),
        Step("format", {"pix_fmts": "rgb24"}),
    )


def _scaled(fit: str, wide: int, high: int) -> tuple[str, str]:
    # Rounded to nearest in whole numbers: round(iw * high / ih) = floor((2 iw high + ih) / 2 ih).
    #   crop: both sides reach the target, one exactly    320x240 -> 171x128, then 128x128 is cut
    #   pad:  neither side passes it, one exactly         320x240 -> 128x96, then black is added
    width = f"floor((2*iw*{high}+ih)/(2*ih))"
    height = f"floor((2*ih*{wide}+iw)/(2*iw))"
    if fit == "crop":
        return f"max({wide},{width})", f"max({high},{height})"
    if fit == "pad":
        return f"max(1,min({wide},{width}))", f"max(1,min({high},{height}))"
    return str(wide), str(high)


def _upright(orientation: Orientation) -> list[Step]:
    steps = [Step("vflip", {})] if orientation.flipped else []
    turns = {
        0: [],
        90: [Step("transpose", {"dir": "clock"})],
        180: [Step("hflip", {}), Step("vflip", {})],
        270: [Step("transpose", {"dir": "cclock"})],
    }
    return steps + turns[orientation.rotation]


def _framed(spec: ClipSpec) -> list[Step]:
    size = {"w": str(spec.width), "h": str(spec.height)}
    if spec.fit == "crop":
        return [Step("crop", {**size, "x": "floor((iw-ow)/2)", "y": "floor((ih-oh)/2)"})]
    if spec.fit == "pad":
        centre = {"x": "floor((ow-iw)/2)", "y": "floor((oh-ih)/2)"}
        return [Step("pad", {**size, **centre, "color": "black"})]
    return []
