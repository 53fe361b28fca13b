"""Computing again gives the same gradients, weights and statistics, and keeps less."""

import copy

import pytest
import torch

import model
from train.speed.recompute import recompute, stretches

NETWORKS = ["r2plus1d", "r2plus1d_18", "c3d"]


def built(name):
    torch.manual_seed(0)
    options = {"dropout": 0.0} if name == "c3d" else {}
    return model.build(name, 3, width=4, **options)


def kept_bytes(network, clips):
    """Bytes that a forward pass keeps for the backward pass, weights left aside."""
    mine = {weight.data_ptr() for weight in network.parameters()}
    kept = dict[int, int]()

    def pack(tensor):
        if tensor.data_ptr() not in mine:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(clips).sum().backward()
    return sum(kept.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_gradients_and_statistics_in_less_memory(name):
    plain, again = built(name), built(name)
    recompute(again)
    assert again.state_dict().keys() == plain.state_dict().keys()
    clips = torch.randn(2, 3, 4, 24, 24)
    for _ in range(2):  # twice: statistics of the first step are part of nothing, but stay
        whole, less = kept_bytes(plain, clips), kept_bytes(again, clips)
    assert less < 0.6 * whole
    for (key, one), (_, other) in zip(
        plain.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), key
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_a_copy_computes_again_with_its_own_weights():
    network = built("r2plus1d")
    recompute(network)
    twin = copy.deepcopy(network).eval()
    clips = torch.randn(2, 3, 4, 16, 16)
    with torch.no_grad():
        before = twin(clips)
        for weight in network.parameters():
            weight.zero_()
        assert torch.equal(twin(clips), before)


def test_stretches_end_with_poolings():
    found = stretches(built("c3d").feature)
    assert [len(one) for one in found] == [3, 3, 5, 5, 5, 1]


@pytest.mark.parametrize("name", ["r2plus1d", "c3d"])
def test_a_run_that_computes_again_is_the_same_bit_for_bit(
    learnable, fit, same_weights, tmp_path, name
):
    options = {"model": name, "batch": 12, "epochs": 1, "lr": 1e-3, "ema": 0.9}
    fit(learnable, tmp_path / "kept", **options)
    fit(learnable, tmp_path / "again", recompute=True, **options)
    same_weights(tmp_path / "kept" / "last.safetensors", tmp_path / "again" / "last.safetensors")
