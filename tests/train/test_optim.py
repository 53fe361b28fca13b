"""Rates rise, fall and are pure; each optimizer makes a loss smaller."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import model
from train.optim import OPTIMIZERS, SCHEDULES, factor_at, scale_rates

steps = st.integers(1, 5000)


@given(st.sampled_from(sorted(SCHEDULES)), steps, st.integers(1, 500))
def test_the_warm_up_rises_in_even_steps_to_below_one(schedule, total, warmup):
    factors = [factor_at(schedule, step, total, warmup) for step in range(warmup)]
    assert factors[0] == pytest.approx(1 / (warmup + 1))
    assert all(0 < a < b < 1 for a, b in itertools.pairwise(factors))
    assert factor_at(schedule, warmup, total + warmup, warmup) == 1


@given(steps, st.integers(0, 100))
def test_cosine_falls_from_one_to_nothing(total, warmup):
    whole = total + warmup
    factors = [factor_at("cosine", step, whole, warmup) for step in range(warmup, whole + 1)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0, abs=1e-12)
    assert all(a >= b >= 0 for a, b in itertools.pairwise(factors))
    assert factor_at("cosine", 2 * whole + 1, whole, warmup) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), steps)
def test_constant_and_plateau_leave_the_rate_alone(step, total):
    assert factor_at("constant", step, total, 0) == factor_at("plateau", step, total, 0) == 1


def test_rates_are_set_from_their_base_whatever_they_were():
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 9.0}], lr=1.0)
    for _ in range(3):
        scale_rates(optimizer, [0.5], 0.1)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    with pytest.raises(ValueError, match="zip"):
        scale_rates(optimizer, [0.5, 0.5], 0.1)


@pytest.mark.parametrize("name", sorted(model.BUILDERS))
def test_only_weights_decay_and_every_parameter_stands_in_one_group(name):
    network = model.build(name, 3, width=4)
    for optimizer in ("adamw", "sgd"):
        groups = OPTIMIZERS[optimizer](network, 0.1, 0.25).param_groups
        assert [group["weight_decay"] for group in groups] == [0.25, 0.0]
        assert all(p.ndim > 1 for p in groups[0]["params"])
        assert all(p.ndim == 1 for p in groups[1]["params"])
        ids = [id(p) for group in groups for p in group["params"]]
        assert sorted(ids) == sorted(map(id, network.parameters()))
    (group,) = OPTIMIZERS["adam"](network, 0.1, 0.25).param_groups
    assert group["weight_decay"] == 0.25


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_each_optimizer_makes_a_loss_smaller(name):
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3)
    inputs, labels = torch.randn(12, 4), torch.arange(12) % 3
    optimizer, losses = OPTIMIZERS[name](layer, 0.05, 1e-3), []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(layer(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
