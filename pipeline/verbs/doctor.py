"""The verb that looks at the machine."""

from __future__ import annotations

from typing import Annotated

import typer

from manifests.cli import Say, app, ends
from pipeline.verbs import addresses

verbs = app()


@verbs.command()
def doctor(
    *,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            envvar="CLIPMILL_ROOT",
            help="A dataset folder or the URL of one, or where one is to be (default: the current "
            "folder).",
        ),
    ] = None,
    canary: Annotated[
        bool, typer.Option("--canary/--no-canary", help="Ask CVDF and YouTube for one thing each.")
    ] = True,
    cvdf: addresses.Cvdf = None,
    youtube: addresses.YouTube = None,
    proxy: addresses.Proxy = None,
    say: Say,
) -> None:
    """Check this machine before it works for days; exit with 1 where something cannot work."""
    from pipeline.doctoring.examine import examine, report, show
    from pipeline.doctoring.finding import Patient
    from pipeline.fetch.cvdf.layout import CVDF, base_of
    from pipeline.fetch.network import Network, state_file
    from pipeline.fetch.youtube.youtube import YouTube

    with ends(say) as ui:
        if youtube is not None:
            YouTube(state_file().parent, youtube)  # which checks the address
        base, keep_free = base_of(cvdf or CVDF), Network().keep_free
        patient = Patient(root, state_file(), base, youtube, proxy, keep_free)
        findings = examine(patient, canary)
        found = report(findings)
        show(findings, ui)
        ui.finish(found)
        ui.exit_code = 1 if found["fail"] else 0
