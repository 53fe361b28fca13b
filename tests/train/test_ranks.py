"""What several real processes do as one does: the counts of val, the watch over losses."""

import json
from pathlib import Path

import pytest
import torch

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from model.world import World
from shards.reading import Reading
from train.evaluation import evaluate
from train.options import Options
from train.run import Run
from train.start import start
from train.watch import Watch

QUIET = Ui(quiet=True)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_val_counts_each_clip_once(learnable, together, tmp_path: Path, ranks: int) -> None:
    """Nine clips in batches of five: some rank has fewer, and one has none at the end."""
    out = tmp_path / "found"

    def look(world: World) -> None:
        options, run = Options(model="c3d", width=4, batch=5), Run(tmp_path / "run")
        how, root = Reading(workers=0), Dataset.open(str(learnable))
        session = start(root, options, run, world, QUIET, how)
        assert session.val is not None
        found = {**evaluate(session, session.val).result}
        assert found["clips"] == 9
        if world.first:
            out.write_text(json.dumps(found))

    if ranks == 1:
        look(World(0, 1, torch.device("cpu")))
    else:
        together(ranks, look)
    found = json.loads(out.read_text())
    alone = look_alone(learnable, tmp_path)
    assert found["loss"] == pytest.approx(alone["loss"], abs=1e-6)
    assert {**found, "loss": 0} == {**alone, "loss": 0}


def look_alone(root: Path, folder: Path) -> dict[str, float]:
    options, world = Options(model="c3d", width=4, batch=9), World(0, 1, torch.device("cpu"))
    run, how = Run(folder / "alone"), Reading(workers=0)
    session = start(Dataset.open(str(root)), options, run, world, QUIET, how)
    assert session.val is not None
    return {**evaluate(session, session.val).result}


def test_a_loss_that_is_none_is_told_alike_on_every_rank(together) -> None:
    def look(world: World) -> None:
        watch = Watch()
        for step in (1, 2, 3):
            bad = (step == 2 and world.rank == 1) or step == 3
            rows = torch.arange(world.rank + 1).numpy() + 10 * step
            watch.saw(step, torch.tensor(float("nan") if bad else 1.0), rows)
        with pytest.raises(ClipmillError, match=r"at step 2, with the clips clip20, clip21\. Not"):
            watch.require_finite(world, [], [f"clip{number}" for number in range(99)])
        Watch().require_finite(world, [], [])

    together(2, look)
