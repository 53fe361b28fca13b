"""R(2+1)D: the seed's counts, the shapes inside, and what batch norm cannot train on."""

import pytest
import torch

import model
from manifests.errors import ClipmillError
from model.r2plus1d import Block

COUNTS = {101: 33_220_990, 51: 33_195_340, 600: 33_476_977}


@pytest.mark.parametrize(("classes", "count"), COUNTS.items())
def test_parameter_counts_are_the_seeds(classes, count):
    with torch.device("meta"):
        network = model.build("r2plus1d", classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_planes_follow_the_width():
    with torch.device("meta"):
        full, small = model.build("r2plus1d", 5), model.build("r2plus1d", 5, width=16)
    assert full.get_parameter("feature.stem.spatial.weight").shape == (45, 3, 1, 7, 7)
    assert full.head.in_features == 512
    assert small.get_parameter("feature.stem.spatial.weight").shape == (11, 3, 1, 7, 7)
    assert small.head.in_features == 128
    assert sum(p.numel() for p in small.parameters()) < 2_200_000


@pytest.mark.parametrize("size", [(1, 16, 16), (16, 112, 112), (5, 33, 47)])
def test_features_shrink_by_eight_in_time_and_sixteen_in_space(size):
    network = model.build("r2plus1d", 5, width=4).eval()
    planes = torch.zeros(1, 3, *size)
    for name, layer in network.get_submodule("feature").named_children():
        if name == "pool":
            break
        planes = layer(planes)
    frames, height, width = size
    assert planes.shape == (1, 32, -(-frames // 8), -(-height // 16), -(-width // 16))


def test_only_a_changed_shape_gets_a_shortcut():
    assert len(Block(8, 8, 1).shortcut) == 0
    shortcut = Block(8, 16, 2).shortcut
    assert [name for name, _ in shortcut.named_children()] == ["conv", "norm"]
    assert shortcut(torch.randn(2, 8, 3, 5, 5)).shape == (2, 16, 2, 3, 3)


def test_the_identity_shortcut_adds_the_input():
    block = Block(8, 8, 1).eval()
    torch.nn.init.zeros_(block.norm2.weight)
    planes = torch.rand(1, 8, 2, 4, 4)
    assert torch.equal(block(planes), planes)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = model.build("r2plus1d", 5, width=8, dropout=0.9)
    clips = torch.randn(2, 3, 4, 32, 32)
    assert not torch.equal(network(clips), network(clips))
    network.eval()
    assert torch.equal(network(clips), network(clips))


def test_a_single_value_for_batch_norm_is_refused_in_training_alone():
    network = model.build("r2plus1d", 5, width=8)
    clips = torch.randn(1, 3, 8, 16, 16)
    with pytest.raises(ClipmillError, match="8 frames of 16x16"):
        network(clips)
    assert network.eval()(clips).shape == (1, 5)
