"""C3D: the seed's counts, the ReLUs of its paper, poolings that let one frame pass."""

import pytest
import torch
from torch import nn

import model
from manifests.errors import ClipmillError

COUNTS = {101: 78_409_573, 51: 78_204_723, 600: 80_453_976}


@pytest.mark.parametrize(("classes", "count"), COUNTS.items())
def test_parameter_counts_are_the_seeds(classes, count):
    with torch.device("meta"):
        network = model.build("c3d", classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_layers_follow_the_width():
    with torch.device("meta"):
        full, small = model.build("c3d", 5), model.build("c3d", 5, width=16)
    sizes = [layer.out_features for layer in full.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [4096, 4096, 5]
    sizes = [layer.out_features for layer in small.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [1024, 1024, 5]
    planes = [layer.out_channels for layer in small.modules() if isinstance(layer, nn.Conv3d)]
    assert planes == [16, 32, 64, 64, 128, 128, 128, 128]


def test_a_relu_follows_every_layer_with_weights_but_the_last():
    layers = [
        layer
        for layer in model.build("c3d", 5, width=4).modules()
        if isinstance(layer, nn.Conv3d | nn.Linear | nn.ReLU)
    ]
    assert len(layers) == 21
    assert all(isinstance(layer, nn.ReLU) for layer in layers[1::2])
    assert not any(isinstance(layer, nn.ReLU) for layer in layers[::2])


@pytest.mark.parametrize(
    ("size", "before_last_pool"),
    [((16, 112, 112), (2, 7, 7)), ((32, 112, 112), (4, 7, 7)), ((1, 17, 16), (1, 2, 1))],
)
def test_pooling_rounds_up(size, before_last_pool):
    planes = torch.zeros(1, 3, *size)
    for name, layer in model.build("c3d", 5, width=4).get_submodule("feature").named_children():
        if name == "pool5":
            break
        planes = layer(planes)
    assert planes.shape == (1, 32, *before_last_pool)


def test_dropout_acts_in_training_only_and_is_the_papers():
    torch.manual_seed(0)
    network = model.build("c3d", 5, width=4)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    clips = torch.randn(2, 3, 4, 32, 32)
    assert not torch.equal(network(clips), network(clips))
    network.eval()
    assert torch.equal(network(clips), network(clips))


def test_without_relus_the_convolutions_are_linear_and_the_weights_the_same():
    one, other = (model.build("c3d", 5, width=4, relu=relu) for relu in (True, False))
    assert one.state_dict().keys() == other.state_dict().keys()
    names = [name for name, _ in other.get_submodule("feature").named_children()]
    assert not [name for name in names if name.startswith("relu")]
    assert other.spec.options["relu"] is False
    with pytest.raises(ClipmillError, match="relu of c3d is 'no'"):
        model.build("c3d", 5, relu="no")
