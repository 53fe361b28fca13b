"""The verbs for a dataset folder that others see: drop clips, freeze a list, card and listing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import DryRun, Root, Say, app, ends

verbs = app()


@verbs.command()
def drop(
    *,
    root: Root,
    ids: Annotated[
        list[str],
        typer.Option(
            "--ids", metavar="ID|FILE", help="A clip's or video's id, or a file of ids; repeat it."
        ),
    ],
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID|FILE", help="More of them; those that begin with - stand behind a `--`."
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the ids.")] = None,
    missing_ok: Annotated[
        bool, typer.Option("--missing-ok", help="Keep unknown ids for clips annotated later.")
    ] = False,
    delete_videos: Annotated[
        bool, typer.Option("--delete-videos", help="Remove their videos under ROOT/videos too.")
    ] = False,
    dry_run: DryRun = False,
    say: Say,
) -> None:
    """Take clips out for good: no verb plans, packs, reads or counts them from now on."""
    from manifests.dataset import Dataset
    from pipeline.publishing import drop as dropping

    with ends(say) as ui:
        report = dropping.drop(
            Dataset.open(root),
            [*ids, *(more or ())],
            reason=reason,
            missing_ok=missing_ok,
            delete_videos=delete_videos,
            dry_run=dry_run,
        )
        dropping.show(report, ui)
        ui.finish(report)


@verbs.command()
def freeze(
    *,
    root: Root,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The .parquet file to write.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with a frozen list instead.")
    ] = None,
    split_set: Annotated[
        str | None, typer.Option(help="Whose splits to write (default: the first).")
    ] = None,
    say: Say,
) -> None:
    """List the exact clips that are there, with a digest to cite; or compare with such a list."""
    from manifests.dataset import Dataset
    from manifests.errors import ClipmillError
    from pipeline.publishing import freeze as freezing
    from pipeline.publishing import frozen

    with ends(say) as ui:
        dataset = Dataset.open(root)
        if check is not None and out is None:
            report = frozen.check(dataset, check, split_set)
            frozen.show(report, ui)
            ui.exit_code = 0 if frozen.same(report) else 1
        elif out is not None and check is None:
            report = freezing.freeze(dataset, out, split_set)
            freezing.show(report, ui)
        else:
            raise ClipmillError("expected either --out FILE to write or --check FILE to compare.")
        ui.finish(report)


@verbs.command()
def card(
    *,
    root: Root,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to (default: the root's README.md).")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--license",
            envvar="CLIPMILL_CARD_LICENSE",
            help="The licence, as Hugging Face names it.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a text that is not a card as written.")
    ] = False,
    say: Say,
) -> None:
    """Write the dataset card, with which Hugging Face `datasets` reads the shards."""
    from manifests.dataset import Dataset
    from pipeline.publishing import card as cards

    with ends(say) as ui:
        report = cards.write_card(Dataset.open(root), out, licence=licence, force=force)
        ui.note(f"wrote {report['file']}")
        if licence is None:
            ui.warn("the card asks for the licence: say it with --license, or write it there.")
        ui.finish(report)


@verbs.command()
def listing(*, root: Root, say: Say) -> None:
    """Write listing.json, with which a web server that lists no folders can serve the root."""
    from manifests.dataset import Dataset
    from pipeline.publishing import listed

    with ends(say) as ui:
        report = listed.write_listing(Dataset.open(root))
        listed.show(report, ui)
        ui.finish(report)
