"""What numbers a network computes with, and that fp16 keeps small gradients."""

import pytest
import torch

from model import checkpoint
from train.speed import precision

CPU = torch.device("cpu")


def test_auto_is_float32_on_a_cpu_and_names_stand_for_themselves():
    assert precision.resolve("auto", CPU) == "fp32"
    assert [precision.resolve(name, CPU) for name in precision.KINDS] == [*precision.KINDS]


@pytest.mark.parametrize("name", precision.KINDS)
def test_networks_compute_in_these_numbers_and_keep_their_weights_in_float32(name):
    layer = torch.nn.Linear(4, 4)
    with precision.autocast(name, CPU):
        found = layer(torch.ones(2, 4))
    assert found.dtype == precision.KINDS[name]
    assert layer.weight.dtype == torch.float32


def test_losses_are_scaled_for_fp16_alone():
    assert not precision.scaler("bf16", CPU).is_enabled()
    scaler = precision.scaler("fp16", CPU)
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler.scale(weight.sum() * 2.0**-10).backward()
    assert weight.grad is not None and weight.grad.item() == 2.0**-10 * scaler.get_scale()
    scaler.step(optimizer)
    assert weight.item() == 1 - 2.0**-10


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_run_in_half_the_bits_learns_and_goes_on(learnable, fit, tmp_path, name):
    options = {"precision": name, "batch": 8, "lr": 0.02, "schedule": "constant", "model": "c3d"}
    fit(learnable, tmp_path / "run", epochs=1, **options | {"lr": 1e-3})
    state = checkpoint.load(tmp_path / "run" / "last.safetensors").state
    assert state is not None and bool(state["scaler"]) is (name == "fp16")
    result = fit(learnable, tmp_path / "run", resume=True, epochs=2, **options | {"lr": 1e-3})
    assert result["train_loss"] < 1.2
    state = checkpoint.load(tmp_path / "run" / "last.safetensors").state
    assert state is not None
    if name == "fp16":
        assert state["scaler"]["_growth_tracker"] == 6, "steps without an overflow, of both parts"
    assert all(x.dtype != torch.bfloat16 for x in checkpoint.load(result["last"]).weights.values())
