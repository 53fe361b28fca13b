"""The command line's way to say a ClipSpec: a named one, and what is different from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from manifests.errors import ClipmillError, unknown
from manifests.sizes import pair
from manifests.spec import CODECS, FITS, NAMED, SAMPLINGS, ClipSpec


@dataclass(frozen=True, slots=True)
class SpecOptions:
    """The options that describe a ClipSpec."""

    spec: Annotated[
        str, typer.Option(help=f"Named ClipSpec to start from: {', '.join(NAMED)}.")
    ] = "seed"
    frames: Annotated[int | None, typer.Option(help="Frames stored per clip.")] = None
    sampling: Annotated[
        str | None,
        typer.Option(help="stride:N (every N-th frame), fps:N (N frames a second) or uniform."),
    ] = None
    size: Annotated[
        str | None, typer.Option(help="Stored size: SIDE or HEIGHTxWIDTH, such as 128x171.")
    ] = None
    fit: Annotated[
        str | None, typer.Option(help=f"How frames become that size: {', '.join(FITS)}.")
    ] = None
    codec: Annotated[
        str | None, typer.Option(help=f"{' or '.join(CODECS)}: exact and fast, or 7 times smaller.")
    ] = None

    views: Annotated[
        int | None,
        typer.Option(min=1, help="Samples of each clip of test, from one decoding (1 to 32)."),
    ] = None

    def resolve(self) -> ClipSpec:
        """Return the ClipSpec that the options describe.

        Raises:
            ClipmillError: an unknown name or a value that cannot be.
        """
        if self.spec not in NAMED:
            raise unknown("ClipSpec", self.spec, NAMED)
        names = ("frames", "fit", "codec", "views")
        named = {name: getattr(self, name) for name in names}
        changes: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
        if self.sampling is not None:
            changes |= _sampling(self.sampling)
        if self.size is not None:
            height, width = pair("--size", self.size)
            changes |= {"height": height, "width": width}
        return dataclasses.replace(NAMED[self.spec], **changes)


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
