"""What holds for every network: sizes taken and refused, gradients, memory format, first loss."""

import copy
import math

import pytest
import torch

import model
from manifests.errors import ClipmillError
from model.layers import middle_planes, require_fit
from model.r2plus1d import factored

NAMES = tuple(model.BUILDERS)


@pytest.fixture(autouse=True)
def two_threads():
    torch.set_num_threads(2)
    torch.manual_seed(0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 16, 16), (2, 17, 31), (3, 40, 16), (7, 33, 33), (16, 64, 64)])
def test_any_length_and_size_gives_finite_logits(name, size):
    network = model.build(name, 11, width=4)
    logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 11)
    assert logits.isfinite().all()
    assert network.eval()(torch.randn(1, 3, *size)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    network = model.build(name, 5, width=8)
    loss = torch.nn.functional.cross_entropy(
        network(torch.randn(4, 3, 8, 32, 32)), torch.tensor([0, 1, 2, 3])
    )
    loss.backward()
    dead = [
        key
        for key, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert dead == []


@pytest.mark.parametrize("name", NAMES)
def test_first_loss_is_that_of_guessing(name):
    network = model.build(name, 101, width=16)
    logits = network(torch.randn(4, 3, 4, 32, 32))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    assert abs(loss.item() - math.log(101)) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_memory_format_does_not_change_the_logits(name):
    network = model.build(name, 5, width=8).eval()
    clips = torch.randn(2, 3, 8, 44, 44)
    plain = network(clips)
    last = torch.channels_last_3d
    other = copy.deepcopy(network).to(memory_format=last)(clips.contiguous(memory_format=last))
    torch.testing.assert_close(plain, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("clips", "named"),
    [
        (torch.zeros(2, 3, 4, 15, 32), "15x32 pixels; expected at least 16x16"),
        (torch.zeros(2, 3, 4, 32, 8), "32x8 pixels"),
        (torch.zeros(2, 4, 32, 32, 3), "expected \\(N, 3, T, H, W\\)"),
        (torch.zeros(3, 4, 32, 32), "expected \\(N, 3, T, H, W\\)"),
        (torch.zeros(2, 3, 0, 32, 32), "nothing empty"),
        (torch.zeros(2, 3, 4, 32, 32, dtype=torch.uint8), "Normalise first"),
    ],
)
def test_clips_that_cannot_be_taken_are_refused_by_value_and_cure(name, clips, named):
    with pytest.raises(ClipmillError, match=named):
        model.build(name, 5, width=8)(clips)


@pytest.mark.parametrize("name", NAMES)
def test_head_is_the_last_layer_under_its_prefix(name):
    network = model.build(name, 9, width=8)
    assert network.head.out_features == 9
    assert network.state_dict()[f"{network.head_prefix}weight"].data_ptr() == (
        network.head.weight.data_ptr()
    )
    heads = [key for key in network.state_dict() if key.startswith(network.head_prefix)]
    assert heads == [f"{network.head_prefix}weight", f"{network.head_prefix}bias"]


def test_factored_keeps_the_parameters_of_the_full_convolution():
    for inputs, outputs in ((64, 64), (64, 128), (256, 512)):
        pair = factored(inputs, outputs, (3, 3))
        convolutions = sum(p.numel() for p in pair.parameters() if p.ndim == 5)
        full = 27 * inputs * outputs
        assert full - 9 * inputs - 3 * outputs < convolutions <= full
    assert [middle_planes(64, 64, 3, 3), middle_planes(64, 128, 3, 3)] == [144, 230]
    assert middle_planes(128, 128, 3, 3) == 288


def test_weights_that_do_not_fit_are_named():
    network = model.build("c3d", 5, width=8)
    weights = dict(network.state_dict())
    weights["fc.fc8.bias"] = torch.zeros(6)
    weights["stray"] = weights.pop("feature.conv1.weight")
    with pytest.raises(ClipmillError, match="3 of 22 tensors") as caught:
        require_fit(network, weights, "the file")
    text = str(caught.value)
    assert "fc.fc8.bias is (6,), expected (5,)" in text
    assert "feature.conv1.weight is missing" in text
    assert "stray is (8, 3, 3, 3, 3), expected nothing" in text
