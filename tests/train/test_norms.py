"""Statistics of norms: measured anew they are those of the clips; training does not see it."""

from pathlib import Path

import torch
from torch import nn

from manifests.console import Ui
from manifests.dataset import Dataset
from model import checkpoint
from model.world import World
from shards.reading import Reading
from train.norms import measure
from train.options import Options
from train.run import Run
from train.start import start

CLIPS = 24  # of train


def statistics(root: Path, folder: Path, world: World) -> dict[str, torch.Tensor]:
    """The first norm's statistics after measuring, and those of the clips by hand."""
    options = Options(width=4, batch=6, precise_norms=CLIPS)
    dataset, ui = Dataset.open(str(root)), Ui(quiet=True)
    session = start(dataset, options, Run(folder), world, ui, Reading(workers=0))
    assert session.measuring is not None
    measure(session)
    first = next(x for x in session.network.modules() if isinstance(x, nn.BatchNorm3d))
    found = {"mean": first.running_mean, "var": first.running_var}
    measure(session)
    assert torch.equal(first.running_mean, found["mean"]), "another time on other clips"
    assert first.momentum == 0.1
    assert not first.training
    return {name: value.clone() for name, value in found.items() if value is not None}


def by_hand(root: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Means over batches of what the stem's first convolution gives, without any norm's help."""
    options, world = Options(width=4, batch=6), World(0, 1, torch.device("cpu"))
    dataset, ui = Dataset.open(str(root)), Ui(quiet=True)
    session = start(dataset, options, Run(folder), world, ui, Reading(workers=0))
    first = next(x for x in session.network.modules() if isinstance(x, nn.Conv3d))
    means, variances = [], []
    with torch.no_grad():
        for batch in session.train:
            planes = first(session.normalise(batch.pixels))
            means.append(planes.mean((0, 2, 3, 4)))
            variances.append(planes.var((0, 2, 3, 4)))
    return {"mean": torch.stack(means).mean(0), "var": torch.stack(variances).mean(0)}


def test_measured_norms_are_those_of_the_clips(learnable: Path, tmp_path: Path) -> None:
    alone = World(0, 1, torch.device("cpu"))
    found, expected = statistics(learnable, tmp_path / "a", alone), by_hand(learnable, tmp_path)
    torch.testing.assert_close(found["mean"], expected["mean"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["var"], expected["var"], rtol=1e-4, atol=1e-6)


def test_all_ranks_have_the_mean_of_what_they_measured(
    learnable: Path, together, tmp_path: Path
) -> None:
    def look(world: World) -> None:
        found = statistics(learnable, tmp_path / "run", world)
        torch.save(found, tmp_path / f"{world.rank}.pt")

    together(2, look)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = statistics(learnable, tmp_path / "alone", World(0, 1, torch.device("cpu")))
    torch.testing.assert_close(first["mean"], alone["mean"], rtol=1e-4, atol=1e-6)


def test_training_is_the_same_with_and_without(learnable: Path, fit, tmp_path: Path) -> None:
    for name, clips in (("without", 0), ("with", CLIPS)):
        fit(learnable, tmp_path / name, batch=6, epochs=2, precise_norms=clips)
    ends = [tmp_path / name / "last.safetensors" for name in ("without", "with")]
    plain, precise = (checkpoint.load(path).weights for path in ends)
    differing = {name for name in plain if not torch.equal(plain[name], precise[name])}
    assert differing
    assert {name.rpartition(".")[2] for name in differing} <= {"running_mean", "running_var"} | {
        "num_batches_tracked"
    }
