"""Gradients of the parts of a batch are those of the whole."""

import contextlib
import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import model
from train.speed import precision
from train.speed.micro import learn, parts


@given(st.integers(0, 50), st.integers(1, 60))
def test_every_clip_is_in_one_part(count, most):
    slices = list(parts(count, most))
    assert [row for part in slices for row in range(count)[part]] == list(range(count))
    assert len(slices) == max(1, min(count, most))
    sizes = [part.stop - part.start for part in slices]
    assert max(sizes) - min(sizes) <= 1


def gradients(network, clips, labels, most):
    network = copy.deepcopy(network)

    def loss(logits, part):
        return functional.cross_entropy(logits, labels[part], reduction="sum") / len(labels)

    scaler = precision.scaler("fp32", torch.device("cpu"))
    found, logits = learn(network, clips, loss, contextlib.nullcontext, scaler, most)
    return found, logits, [weight.grad for weight in network.parameters()]


@pytest.mark.parametrize("most", [2, 3, 7, 100])
def test_parts_add_up_to_the_whole(most):
    torch.manual_seed(0)
    network = model.build("c3d", 3, width=4, dropout=0.0)
    clips, labels = torch.randn(7, 3, 2, 16, 16), torch.tensor([0, 1, 2, 0, 1, -1, 2]).clamp(0)
    loss, logits, whole = gradients(network, clips, labels, 1)
    again, others, added = gradients(network, clips, labels, most)
    torch.testing.assert_close(again, loss)
    torch.testing.assert_close(others, logits)
    torch.testing.assert_close(added, whole, rtol=1e-4, atol=1e-6)


def test_gradients_are_exchanged_with_the_last_part_alone():
    class Replica(torch.nn.Linear):
        silent, said = False, list[bool]()

        @contextlib.contextmanager
        def no_sync(self):
            self.silent = True
            yield
            self.silent = False

        def forward(self, clips):
            self.said.append(self.silent)
            return super().forward(clips)

    replica = Replica(2, 2)
    scaler = precision.scaler("fp32", torch.device("cpu"))
    learn(replica, torch.ones(6, 2), lambda x, _: x.sum(), contextlib.nullcontext, scaler, 3)
    assert replica.said == [True, True, False]


def test_a_run_in_parts_is_the_run_in_one(learnable, fit, same_weights, tmp_path):
    options = {"model": "c3d", "batch": 12, "epochs": 1, "lr": 1e-3}
    for name, count in (("one", 1), ("three", 5)):
        fit(learnable, tmp_path / name, accumulate=count, **options)
    same_weights(
        tmp_path / "one" / "last.safetensors", tmp_path / "three" / "last.safetensors", 1e-5
    )
