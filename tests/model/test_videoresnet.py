"""The networks of published weights: their counts, names, cost, and logits."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import model
from tests.model import reference

EXACT = {"planes": "exact"}
COUNTS = [
    ("r2plus1d_18", {}, (2, 2, 2, 2), False, 31_505_325),
    ("r2plus1d_18", EXACT, (2, 2, 2, 2), True, 33_370_839),
    ("r2plus1d_34", {}, (3, 4, 6, 3), True, 63_697_175),
]
# For clips of 8, 16 and 32 frames of 112x112.
GMACS = [
    ("r2plus1d_18", {}, (20.3, 40.5, 81.0)),
    ("r2plus1d_18", EXACT, (20.8, 41.5, 83.0)),
    ("r2plus1d_34", {}, (38.1, 76.2, 152.4)),
    ("c3d", {}, (None, 38.6, 77.0)),
]


@pytest.mark.parametrize(("name", "options", "blocks", "exact", "count"), COUNTS)
def test_names_shapes_and_counts_are_the_published_ones(name, options, blocks, exact, count):
    with torch.device("meta"):
        network = model.build(name, 400, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    shapes = reference.torchvision_shapes(400, blocks, exact)
    assert reference.parameters(shapes) == count
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes


@pytest.mark.parametrize(("name", "options", "blocks", "exact", "count"), COUNTS)
def test_logits_are_those_of_an_independent_forward_pass(name, options, blocks, exact, count):
    weights = reference.filled(reference.torchvision_shapes(7, blocks, exact, width=4))
    with torch.device("meta"):
        network = model.build(name, 7, width=4, **options)
    network.load_state_dict(weights, assign=True)
    clips = torch.randn(2, 3, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mine = network.eval()(clips)
        other = reference.torchvision_logits(weights, clips, 1e-3 if exact else 1e-5)
    assert other.std() > 0.1
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "options", "expected"), GMACS)
def test_the_cost_of_a_clip_is_the_published_one(name, options, expected):
    with torch.device("meta"):
        network = model.build(name, 400, **options).eval()
    for frames, gmacs in zip((8, 16, 32), expected, strict=True):
        if gmacs is not None:
            with FlopCounterMode(display=False) as counter, torch.device("meta"):
                network(torch.empty(1, 3, frames, 112, 112))
            assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, abs=0.06)


def test_norms_are_those_of_the_weights():
    def of(name, **options):
        network = model.build(name, 5, width=4, **options)
        norms = [x for x in network.modules() if isinstance(x, torch.nn.BatchNorm3d)]
        return {(norm.eps, norm.momentum) for norm in norms}

    assert of("r2plus1d_18") == {(1e-5, 0.1)}
    assert of("r2plus1d_18", planes="exact") == of("r2plus1d_34") == {(1e-3, 0.1)}


def test_planes_follow_the_width():
    for blocks, name in (((2, 2, 2, 2), "r2plus1d_18"), ((3, 4, 6, 3), "r2plus1d_34")):
        network = model.build(name, 5, width=4)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        exact = name == "r2plus1d_34"
        assert shapes == reference.torchvision_shapes(5, blocks, exact, width=4)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = model.build("r2plus1d_18", 5, width=4, dropout=0.9)
    clips = torch.randn(2, 3, 4, 32, 32)
    assert not torch.equal(network(clips), network(clips))
    network.eval()
    assert torch.equal(network(clips), network(clips))
