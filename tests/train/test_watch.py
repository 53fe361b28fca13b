"""The first bad step is found whenever one looks, on whichever rank it was, and its clips named."""

import numpy as np
import pytest
import torch
from torch import nn

from manifests.errors import ClipmillError
from model.world import World
from train.watch import Watch, finite

ALONE = World(0, 1, torch.device("cpu"))
CLIPS = [f"clip{number}" for number in range(20)]


def losses(*values: float) -> Watch:
    watch = Watch()
    for step, value in enumerate(values, 1):
        rows = np.array([2 * step, 2 * step + 1, -1])
        watch.saw(step, torch.tensor(value), rows)
    return watch


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_bad_step_and_its_clips(bad: float) -> None:
    watch = losses(1.0, bad, 2.0, float("nan"))
    assert watch.due()
    with pytest.raises(ClipmillError, match=r"at step 2, with the clips clip4, clip5\. Nothing"):
        watch.require_finite(ALONE, [], CLIPS)


def test_finite_losses_pass_and_are_forgotten() -> None:
    watch = losses(1.0, 0.0, -3.0)
    assert not watch.due()
    assert not watch._steps
    watch.require_finite(ALONE, [nn.Linear(2, 2)], CLIPS)


def test_weights_are_looked_at_too() -> None:
    network = nn.BatchNorm3d(2)
    assert finite(network) and finite(nn.ReLU())
    network.state_dict()["running_var"][0] = float("inf")
    assert not finite(network)
    with pytest.raises(ClipmillError, match=r"weights are no finite.* at step 3, .*clip6, "):
        losses(1.0, 1.0, 1.0).require_finite(ALONE, [network], CLIPS)


def test_many_clips_are_cut_short() -> None:
    watch = Watch()
    watch.saw(7, torch.tensor(float("nan")), np.arange(12))
    with pytest.raises(ClipmillError, match=r"clip6, clip7 and 4 more\. Nothing"):
        watch.require_finite(ALONE, [], CLIPS)
