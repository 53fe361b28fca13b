"""Rates rise, fall and are pure; each optimizer makes a loss smaller."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import model
from train.optim import OPTIMIZERS, SCHEDULES, factor_at, optimizer, scale_rates, unreached
from train.options import Options

steps = st.integers(1, 5000)


def rates(schedule: str, epochs: int, warmup: int, **of: Any) -> Options:
    """Options of a run whose epochs have one step each."""
    milestones = (1.0,) if schedule == "steps" else ()
    of = {"milestones": milestones} | of
    return Options(schedule=schedule, epochs=epochs, warmup_epochs=float(warmup), **of)


@given(st.sampled_from(sorted(SCHEDULES)), steps, st.integers(1, 500))
def test_the_warm_up_rises_in_even_steps_to_below_one(schedule, total, warmup):
    options = rates(schedule, total + warmup, warmup)
    factors = [factor_at(options, step, 1) for step in range(warmup)]
    assert factors[0] == pytest.approx(1 / (warmup + 1))
    assert all(0 < a < b < 1 for a, b in itertools.pairwise(factors))
    assert schedule == "steps" or factor_at(options, warmup, 1) == 1


@given(steps, st.integers(0, 100))
def test_cosine_falls_from_one_to_nothing(total, warmup):
    whole = total + warmup
    options = rates("cosine", whole, warmup)
    factors = [factor_at(options, step, 1) for step in range(warmup, whole + 1)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0, abs=1e-12)
    assert all(a >= b >= 0 for a, b in itertools.pairwise(factors))
    assert factor_at(options, 2 * whole + 1, 1) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), steps)
def test_constant_and_plateau_leave_the_rate_alone(step, total):
    for schedule in ("constant", "plateau"):
        assert factor_at(rates(schedule, total, 0), step, 1) == 1


@given(st.integers(1, 9), st.integers(1, 50), st.integers(1, 50), st.integers(0, 30))
def test_steps_lowers_the_rate_just_at_its_milestones(steps, first, more, warmup):
    marks = (float(warmup + first), float(warmup + first + more))
    epochs = int(marks[1]) + 5
    options = rates("steps", epochs, warmup, milestones=marks, factor=0.5)
    found = [factor_at(options, epoch * steps, steps) for epoch in range(warmup, epochs)]
    assert found == [0.5 ** sum(epoch >= mark for mark in marks) for epoch in range(warmup, epochs)]
    assert factor_at(options, int(marks[0]) * steps - 1, steps) == 1


def test_the_rate_grows_with_the_batch_where_it_has_a_base():
    assert Options(lr=0.1, batch=256).rate == 0.1
    assert Options(lr=0.1, batch=256, scale_lr=64).rate == pytest.approx(0.4)


def test_a_schedule_that_the_run_is_too_short_for_is_told():
    assert not unreached(rates("steps", 3, 2, milestones=(2.0, 2.5)))
    (words,) = unreached(rates("steps", 3, 0, milestones=(2.0, 3.0, 450.0)))
    assert "--milestones 3,450 lie after the run's 3 epochs" in words
    (words,) = unreached(rates("cosine", 10, 34))
    assert "rises for 34 epochs and the run has 10" in words
    assert factor_at(rates("cosine", 10, 34), 9, 1) < 1


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_new_head_learns_faster(name):
    network = model.build("r2plus1d", 3, width=4)
    groups = optimizer(network, Options(optimizer=name, lr=0.5, head_lr=4), new_head=True)
    rates = {id(p): group["lr"] for group in groups.param_groups for p in group["params"]}
    head = {id(p) for p in network.head.parameters()}
    assert rates == {id(p): 2.0 if id(p) in head else 0.5 for p in network.parameters()}
    assert all(group["base_lr"] == group["lr"] for group in groups.param_groups)


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
    for kind in ("adamw", "sgd"):
        groups = optimizer(network, Options(optimizer=kind, weight_decay=0.25)).param_groups
        assert [group["weight_decay"] for group in groups] == [0.25, 0.0]
        assert all(p.ndim > 1 for p in groups[0]["params"])
        assert all(p.ndim == 1 for p in groups[1]["params"])
        ids = [id(p) for group in groups for p in group["params"]]
        assert sorted(ids) == sorted(map(id, network.parameters()))
    (group,) = optimizer(network, Options(weight_decay=0.25)).param_groups
    assert group["weight_decay"] == 0.25


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_each_optimizer_makes_a_loss_smaller(name):
    torch.manual_seed(0)
    network = model.build("r2plus1d", 3, width=4)
    inputs, labels = torch.randn(6, 3, 2, 16, 16), torch.arange(6) % 3
    lr = 0.05 if name == "sgd" else 1e-2
    moved, losses = optimizer(network, Options(optimizer=name, lr=lr, momentum=0.8)), []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        moved.zero_grad()
        loss.backward()
        moved.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert name != "sgd" or moved.param_groups[0]["momentum"] == 0.8
