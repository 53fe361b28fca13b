"""Run stages one after the other on a dataset folder and say what came of them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from manifests.console import Ui, clock
from manifests.dataset import Dataset
from manifests.errors import UnreachableError
from manifests.reasons import MEANING, Reason
from pipeline import stage
from pipeline.acquiring.acquire import LOCAL, Download
from pipeline.acquiring.nothing import tell_waiting
from pipeline.clip import Settings
from pipeline.crew import Backend as Engine
from pipeline.crew import Crew
from pipeline.decode import Decode
from pipeline.fetch.bring import Bring
from pipeline.fetch.network import ASKED_AS, Network, bringing
from pipeline.pack import Pack
from pipeline.packing.choosing import EVERYTHING, Choice
from pipeline.retrying import Retry
from pipeline.stage import Summary
from pipeline.video.decoder import Backend, Limits


@dataclass(frozen=True, slots=True)
class Options:
    """How stages are run; `jobs` 0 is one worker for each core, `shard_mb` None the default.

    Of the disk `keep_free` bytes stay free when shards are written; `choice` says of which clips.
    `changed` are clips whose video is another one now (see exchanged.changed_videos).
    Without `network` no video is fetched from one.
    """

    jobs: int = 0
    retry: Retry = "none"
    decoder: Backend = "pyav"
    shard_mb: float | None = None
    choice: Choice = EVERYTHING
    keep_free: int = 0
    dry_run: bool = False
    strict: bool = False
    changed: Mapping[str, int] = field(default_factory=dict)
    network: Network | None = None
    backend: Engine = "loky"
    address: str | None = None

    @property
    def crew(self) -> Crew:
        """Who does the work."""
        return Crew(self.jobs, self.backend, self.address)


Maker = Callable[[Dataset, Settings, Options, Ui], Sequence[stage.Stage[Any]]]
_MAKE: dict[str, Maker] = {
    "download": lambda dataset, settings, options, ui: _downloading(dataset, options, ui),
    "decode": lambda dataset, settings, options, ui: [Decode(dataset, settings)],
    "pack": lambda dataset, settings, options, ui: [
        Pack(
            dataset,
            settings,
            None if options.shard_mb is None else int(options.shard_mb * 1e6),
            options.choice,
        )
    ],
}


def run(root: str, names: Sequence[str], options: Options, ui: Ui) -> list[Summary]:
    """Run the named stages; the exit code is 1 when `strict` and a clip failed.

    Raises:
        UnreachableError: a source could not be asked; all other stages have run.
        StoppedError: this machine cannot go on.
    """
    dataset = Dataset.open(root)
    dataset.require_own_shards()
    settings = Settings(dataset.spec, options.decoder, Limits())
    stages = [one for name in names for one in _MAKE[name](dataset, settings, options, ui)]
    if options.dry_run:
        for one in stages:
            _show_plan(dataset, one, options, ui)
        return []
    summaries: list[Summary] = []
    unreachable: UnreachableError | None = None
    end = time.monotonic() + ((options.network and options.network.seconds) or math.inf)
    for one in stages:
        if time.monotonic() >= end:
            ui.note(f"{_title(one)}: not begun, the time limit is over")
            continue
        try:
            summaries.append(_run(dataset, one, options, ui))
        except UnreachableError as error:
            # What other sources have, and what is to be packed, does not wait for this one.
            unreachable = error
            if one is not stages[-1]:
                ui.warn(f"{_title(one)}: {error} Going on with what is left to do.")
    show(summaries, ui)
    ui.finish({"stages": [summary.as_dict() for summary in summaries]})
    if unreachable:
        raise unreachable
    ui.exit_code = int(options.strict and any(summary.failed for summary in summaries))
    return summaries


def _run(dataset: Dataset, one: stage.Stage[Any], options: Options, ui: Ui) -> Summary:
    return stage.run(
        dataset,
        one,
        crew=options.crew,
        retry=options.retry,
        ui=ui,
        title=_title(one),
        units_per_s=one.units_per_s if isinstance(one, Bring) else None,
        share=one.selection.part if isinstance(one, Download | Bring) else (1, 1),
        foresee=_foresee(dataset, one, options, ui) if isinstance(one, Pack) else None,
    )


def _foresee(dataset: Dataset, pack: Pack, options: Options, ui: Ui) -> Callable[[pa.Table], None]:
    """Return what says how large and how long a pack becomes, and stops it where it cannot fit."""

    def foresee(todo: pa.Table) -> None:
        coming = pack.forecast(todo, options.crew.known)
        ui.note(f"pack: {coming.words()}")
        or_else = ", or take fewer clips with --split or --limit"
        coming.require_room(dataset.storage.root, options.keep_free, or_else)

    return foresee


def _downloading(dataset: Dataset, options: Options, ui: Ui) -> Sequence[Download | Bring]:
    """Return the parts of the stage `download`, in the order in which sources are asked."""
    if options.network is None:
        chosen: list[Download | Bring] = [Download(dataset, changed=options.changed, ui=ui)]
    else:
        selection = options.network.selection(dataset, options.retry)
        local = Download(dataset, changed=options.changed, ui=ui, selection=selection)
        bring = bringing(dataset, options.network, selection, ui)
        named = {ASKED_AS.get(one.source.name, one.source.name): one for one in bring}
        parts = {LOCAL: local} | named
        chosen = [parts[name] for name in options.network.sources if name in parts]
    tell_waiting(dataset, [one.serves for one in chosen], ui)
    return chosen


def _title(one: stage.Stage[Any]) -> str:
    if isinstance(one, Download):
        return "looking at videos"
    return f"download from {one.source.name}" if isinstance(one, Bring) else one.name


def _show_plan(dataset: Dataset, one: stage.Stage[Any], options: Options, ui: Ui) -> None:
    """Print what a run would do, without doing or writing anything."""
    left, plan = stage.coming(dataset, one, options.retry)
    values: dict[str, Any] = {"left_of_last_plan": len(left), "new": len(plan)}
    title = _title(one) if isinstance(one, Bring) else one.name
    if isinstance(one, Pack):
        todo = pa.concat_tables([left, plan])
        values["splits"] = dict(Counter(todo["split"].to_pylist()))
        coming = one.forecast(todo, options.crew.known)
        ui.note(coming.words())
        values |= {name: coming.as_dict()[name] for name in ("shards", "bytes", "seconds", "free")}
    rows = [(key, str(value)) for key, value in values.items()]
    ui.table(f"{title} would do", ("what", "clips"), rows)
    ui.finish({title: values, "dry_run": True})


def show(summaries: Sequence[Summary], ui: Ui) -> None:
    """Print what stages came to, and why clips failed."""
    ui.table(
        "what happened",
        ("stage", "planned", "done", "failed", "gone", "time"),
        [
            (
                one.title or one.stage,
                one.planned,
                *(one.statuses[name] for name in ("done", "failed", "gone")),
                clock(one.seconds),
            )
            for one in summaries
        ],
    )
    reasons = [
        (one.stage, reason, count, MEANING[Reason(reason)])
        for one in summaries
        for reason, count in one.reasons.most_common()
    ]
    if reasons:
        ui.table("why clips failed", ("stage", "reason", "clips", "meaning"), reasons)
