"""Operations as torch counts them; bounds by hand."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import model
from train.benching.roofline import Layer, copy_rate, layers, matrix_rate, roofline

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["r2plus1d", "r2plus1d_18", "c3d"])
def test_operations_are_those_that_torch_counts(name):
    network = model.build(name, 3, width=4)
    clips = torch.randn(2, 3, 4, 24, 24)
    work = layers(network, clips, "fp32")
    with FlopCounterMode(display=False) as counter:
        network(clips).sum().backward()
    counts = counter.get_flop_counts()["Global"]
    convolutions = sum(n for operation, n in counts.items() if "conv" in str(operation))
    assert sum(one.operations for one in work) == convolutions
    assert not any(one._forward_hooks for one in network.modules()), "nothing stays behind"


def test_half_the_bits_are_half_the_bytes():
    network, clips = model.build("c3d", 3, width=4), torch.randn(1, 3, 2, 16, 16)
    whole, half = (layers(network, clips, kind) for kind in ("fp32", "bf16"))
    assert [one.bytes for one in whole] == [2 * one.bytes for one in half]


def test_a_layer_takes_the_longer_of_its_two_times():
    work = [Layer(operations=100.0, bytes=10.0), Layer(operations=100.0, bytes=400.0)]
    found = roofline(work, clips=2, clips_per_s=0.1, rate=100.0, copied=100.0)
    assert found["possible_clips_per_s"] == 0.4  # 1 s and 4 s for two clips
    assert found["of_possible"] == 0.25
    assert found["of_matrix_rate"] == 0.1
    assert found["memory_bound_part"] == 0.5
    assert found["ridge_flop_a_byte"] == 1.0


def test_the_devices_rates_are_of_this_world():
    assert 1e8 < matrix_rate("fp32", CPU) < 1e14
    assert 1e8 < copy_rate(CPU) < 1e13
