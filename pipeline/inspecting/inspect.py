"""What `clipmill inspect` does: a sheet where clips are named, statistics where none are."""

from __future__ import annotations

from pathlib import Path

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from pipeline.inspecting import show
from pipeline.inspecting.choose import Wish
from pipeline.inspecting.statistics import statistics


def inspect(dataset: Dataset, wish: Wish, out: Path | None, ui: Ui) -> None:
    """Draw what is wished, or print the statistics of the root.

    Raises:
        ClipmillError: nothing to show, or options that do not go together.
    """
    if wish.draws:
        if wish.clip is not None and wish.page != 1:
            raise ClipmillError(
                "--page with --clip, which has one page; expected --page with --class or --random. "
                "Leave it out."
            )
        from pipeline.inspecting.picture import picture  # Pillow's import takes 0.1 s

        report = picture(dataset, wish, out)
        show.show_picture(report, ui)
    elif out is not None or wish.page != 1:
        given = "--out" if out is not None else "--page"
        raise ClipmillError(
            f"{given} without a picture; expected --clip, --class or --random beside it. "
            "Without one of them the statistics are printed."
        )
    else:
        report = statistics(dataset, wish.split, wish.split_set)
        show.show_statistics(report, ui)
    ui.finish(report)
