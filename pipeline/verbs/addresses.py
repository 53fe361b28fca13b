"""Options of the verbs that ask the network: mirrors, which may be a cluster's own, and a proxy."""

from __future__ import annotations

from typing import Annotated

import typer

Cvdf = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar="CLIPMILL_CVDF", help="A mirror of CVDF's archives."),
]
YouTube = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        envvar="CLIPMILL_YOUTUBE",
        help="A mirror that has YouTube's videos, an address with {id} in it.",
    ),
]
Proxy = Annotated[str | None, typer.Option(metavar="URL", help="An http proxy.")]
