"""Which ways a run computes in: what was measured and written down when it began, or the usual.

RUN/tune.json holds the choice for as long as the run lasts: a run that goes on takes it from there
and measures nothing. On another kind of device it goes on in the usual ways, aloud.
"""

from __future__ import annotations

import torch

from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.spec import Window
from model.layers import Network
from model.world import World
from train.options import Options
from train.run import TUNE, Run
from train.speed import tune
from train.speed.trial import Trial
from train.speed.ways import Ways, prepare, usual


def chosen(
    network: Network,
    options: Options,
    window: Window,
    world: World,
    run: Run,
    going_on: bool,
    ui: Ui,
) -> Ways:
    """Return the ways of a run, set for this process; `network` lies on its device, unchanged.

    Raises:
        ClipmillError: a tune.json that does not tell what was chosen.
    """
    ways = usual(options, world.device)
    if going_on:
        ways = _recorded(run, world.device, ui) or ways
    elif options.tune:
        clips = -(-options.batch // world.size)
        trial = Trial(network, options, window, clips, world.device)
        timed = tune.tune(ways, options, trial.seconds, world, ui)
        ways = tune.best(timed).ways
        if world.first:
            tune.show(timed, clips, ui)
            run.write_tune(tune.record(timed, clips, window, _named(world.device)))
    prepare(ways, world.device)
    return ways


def _recorded(run: Run, device: torch.device, ui: Ui) -> Ways | None:
    record = run.read_tune()
    if record is None:
        return None
    try:
        there, ways = str(record["device"]), Ways.of(record["chosen"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ClipmillError(
            f"{run.folder / TUNE} does not tell in what way the run computes ({error!r}). Put it "
            "back, or delete it to go on in the usual one."
        ) from error
    if there.partition(" ")[0] != device.type:
        ui.note(f"{TUNE} was measured on {there}; going on in the usual way of {_named(device)}")
        return None
    return ways


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return device.type
