"""The command line's way to say a ClipSpec: a named one, and what is different from it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from manifests.errors import ClipmillError, unknown
from manifests.sizes import pair
from manifests.spec import CODECS, FITS, NAMED, SAMPLINGS, ClipSpec

Spec = Annotated[
    str, typer.Option("--spec", help=f"Named ClipSpec to start from: {', '.join(NAMED)}.")
]
Frames = Annotated[int | None, typer.Option(help="Frames stored per clip.")]
Sampling = Annotated[
    str | None,
    typer.Option(help="stride:N (every N-th frame), fps:N (N frames a second) or uniform."),
]
Size = Annotated[
    str | None, typer.Option(help="Stored size: SIDE or HEIGHTxWIDTH, such as 128x171.")
]
Fit = Annotated[str | None, typer.Option(help=f"How frames become that size: {', '.join(FITS)}.")]
Codec = Annotated[
    str | None, typer.Option(help=f"{' or '.join(CODECS)}: exact and fast, or 7 times smaller.")
]


def spec_from(
    name: str,
    frames: int | None,
    sampling: str | None,
    size: str | None,
    fit: str | None,
    codec: str | None,
) -> ClipSpec:
    """Return the ClipSpec that the options describe.

    Raises:
        ClipmillError: an unknown name or a value that cannot be.
    """
    if name not in NAMED:
        raise unknown("ClipSpec", name, NAMED)
    changes: dict[str, Any] = {"frames": frames, "fit": fit, "codec": codec}
    changes = {key: value for key, value in changes.items() if value is not None}
    if sampling is not None:
        changes |= _sampling(sampling)
    if size is not None:
        height, width = pair("--size", size)
        changes |= {"height": height, "width": width}
    return dataclasses.replace(NAMED[name], **changes)


def _sampling(text: str) -> dict[str, Any]:
    kind, _, number = text.partition(":")
    if kind not in SAMPLINGS:
        raise unknown("sampling", kind, [f"{name}:N" for name in SAMPLINGS[:2]] + ["uniform"])
    if kind == "uniform" and not number:
        return {"sampling": kind, "rate": 1}
    try:
        return {"sampling": kind, "rate": float(number)}
    except ValueError:
        raise ClipmillError(
            f"--sampling {text!r}; expected stride:N, fps:N or uniform, with N a number."
        ) from None
