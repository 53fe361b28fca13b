"""The moving average against its formula, step by step."""

import pytest
import torch

import model
from train import average


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_it_follows_the_formula(decay):
    network = model.build("r2plus1d", 3, width=4)
    kept = average.begun(network)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(12):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(torch.ones_like(value) * (step + 1))
        average.update(kept, network, decay, step)
        now = min(decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                expected[name] = now * expected[name] + (1 - now) * value
            else:
                expected[name] = value.clone()
    for name, value in kept.state_dict().items():
        assert torch.allclose(value, expected[name], rtol=1e-4), name


def test_it_is_a_copy_that_nobody_trains():
    network = model.build("c3d", 3, width=4)
    kept = average.begun(network)
    assert not kept.training and not any(p.requires_grad for p in kept.parameters())
    before = next(kept.parameters()).clone()
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert torch.equal(next(kept.parameters()), before)
