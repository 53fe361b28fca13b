"""The trackers of a run, opened by their names; one that is not there stops no run."""

from __future__ import annotations

from collections.abc import Callable

from manifests.console import Ui
from train.figures import clips_seen
from train.run import Run
from train.session import Session
from train.trackers.names import NONE
from train.trackers.several import Trackers
from train.trackers.told import Tracker


def opened(session: Session) -> Trackers:
    """Return the trackers of a run from where it stands; what cannot be opened is warned of."""
    run, options, ui = session.run, session.options, session.ui
    clips, epoch = clips_seen(session), len(session.train.samples)
    ways: dict[str, Callable[[], Tracker]] = {
        "tensorboard": lambda: _board(run, clips),
        "visdom": lambda: _visdom(run, options.visdom, epoch, ui),
    }
    found = []
    for name in options.tracker:
        if name == NONE:
            continue
        try:
            found.append(ways[name]())
        except ImportError as error:
            ui.warn(
                f"{name} is not there ({error}): `pip install {name}` brings it. The run goes on "
                "without it, and its figures are in metrics.csv."
            )
        except OSError as error:
            ui.warn(f"{name} cannot be opened ({error}); the run goes on without it.")
    return Trackers(found, ui)


def _board(run: Run, clips: int) -> Tracker:
    from train.trackers.board import Board

    return Board(run.folder / "tensorboard", clips)


def _visdom(run: Run, address: str, epoch: int, ui: Ui) -> Tracker:
    from train.trackers.visdom import Visdom

    tracker = Visdom(address, "_".join(run.folder.parts[-2:]))
    if tracker.begin(epoch):
        ui.note(f"visdom: {tracker.page}")
    else:
        ui.warn(tracker.away)
    return tracker
