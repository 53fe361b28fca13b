"""Padded planes change nothing: not the logits, not what training learns, not what is saved."""

import copy

import pytest
import torch
from torch import nn

import model
from manifests.spec import ClipSpec, Window
from model import checkpoint
from model.layers import require_fit
from model.padding import pad, pad_optimizer
from train import average

NAMES = ("r2plus1d", "r2plus1d_18", "r2plus1d_34")
OPTIMIZERS = {
    "adam": lambda x: torch.optim.Adam(x, 1e-3, weight_decay=5e-2),
    "adamw": lambda x: torch.optim.AdamW(x, 1e-3, weight_decay=5e-2),
    "sgd": lambda x: torch.optim.SGD(x, 0.02, momentum=0.9, nesterov=True, weight_decay=5e-2),
}


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


def clips(seed: int) -> torch.Tensor:
    return torch.randn(4, 3, 4, 24, 24, generator=torch.Generator().manual_seed(seed))


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    one = model.build(name, 3, width=5)
    other = copy.deepcopy(one)
    assert pad(other) > 0
    return one, other


def shapes(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def step(network: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    logits = network(clips(number).to(network.fc.weight.dtype))
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def added(network: nn.Module) -> list[torch.Tensor]:
    """All that padding has put into a network: weights, and their gradients where there are any."""
    found = []
    for layer in network.modules():
        for name, (dimension, planes, _) in getattr(layer, "padded", {}).items():
            if name == "running_var":
                continue
            whole = getattr(layer, name)
            tensors = [whole.detach()] + ([] if whole.grad is None else [whole.grad])
            found += [x.narrow(dimension, planes, x.shape[dimension] - planes) for x in tensors]
    return found


def test_the_papers_planes_become_multiples_of_eight():
    with torch.device("meta"):
        network = model.build("r2plus1d_18", 5)
    plain = shapes(network.state_dict())
    assert pad(network) == 3 + 2 * (2 + 4 + 7)
    assert shapes(network.state_dict()) == plain
    inner = {x.out_channels for x in network.modules() if isinstance(x, nn.Conv3d)}
    assert inner == {48, 64, 144, 128, 232, 288, 256, 464, 576, 512, 928, 1152}
    assert pad(network) == 0, "it is padded already"


def test_c3d_has_nothing_to_pad():
    with torch.device("meta"):
        assert pad(model.build("c3d", 5)) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_the_logits_are_the_same(name, training):
    one, other = pair(name)
    one.train(training), other.train(training)
    with torch.no_grad():
        torch.testing.assert_close(one(clips(1)), other(clips(1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_is_the_same_and_what_was_added_stays_zero(kind):
    # In float64, for Adam divides by the roots of tiny gradients, which rounding alone decides.
    one, other = (network.double() for network in pair("r2plus1d_18"))
    optimizers = [OPTIMIZERS[kind](network.parameters()) for network in (one, other)]
    pad_optimizer(optimizers[1], other)
    for number in range(5):
        for network, optimizer in zip((one, other), optimizers, strict=True):
            step(network, optimizer, number)
        zeros = added(other)
        assert zeros and not any(tensor.count_nonzero() for tensor in zeros)
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=1e-6, atol=1e-8)
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    assert states[0].keys() == states[1].keys()
    for index, values in states[0].items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(states[1][index][name], value, rtol=1e-5, atol=1e-8)
    one.eval(), other.eval()
    with torch.no_grad():
        torch.testing.assert_close(one(clips(9).double()), other(clips(9).double()))


def test_what_is_saved_is_plain_and_comes_back(tmp_path):
    plain, padded = pair("r2plus1d_34")
    optimizer = OPTIMIZERS["adam"](padded.parameters())
    pad_optimizer(optimizer, padded)
    step(padded, optimizer, 0)
    require_fit(plain, padded.state_dict(), "the padded network")
    path = tmp_path / "last.safetensors"
    checkpoint.save(
        path,
        checkpoint.Checkpoint(
            network=padded.spec,
            spec=ClipSpec(frames=4, rate=1, height=24, width=24),
            window=Window(4, 24, 24),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            labels=("a", "b", "c"),
            weights=padded.state_dict(),
            state=optimizer.state_dict(),
        ),
    )
    saved = checkpoint.load(path)
    assert shapes(dict(saved.weights)) == shapes(plain.state_dict())
    with torch.no_grad():
        mine, theirs = padded.eval()(clips(3)), saved.build_model()(clips(3))
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)

    again = pair("r2plus1d_34")[1]
    again.load_state_dict(saved.weights)
    restored = OPTIMIZERS["adam"](again.parameters())
    pad_optimizer(restored, again)
    restored.load_state_dict(saved.state)
    padded.train()
    for network, one in ((padded, optimizer), (again, restored)):
        step(network, one, 1)
    for name, tensor in padded.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    plain_optimizer = OPTIMIZERS["adam"](plain.parameters())
    plain_optimizer.load_state_dict(saved.state)
    for parameter, state in plain_optimizer.state.items():
        assert state["exp_avg"].shape == parameter.shape


def test_copies_and_averages_of_padded_networks_are_padded_and_plain_outside():
    plain, padded = pair("r2plus1d_18")
    mean = average.begun(padded)
    optimizer = OPTIMIZERS["sgd"](padded.parameters())
    step(padded, optimizer, 0)
    average.update(mean, padded, 0.5, 100)
    assert shapes(mean.state_dict()) == shapes(plain.state_dict())
    assert not any(tensor.count_nonzero() for tensor in added(mean))
    for name, tensor in mean.state_dict().items():
        if tensor.is_floating_point():
            between = (plain.state_dict()[name] + padded.state_dict()[name]) / 2
            torch.testing.assert_close(tensor, between)


def test_what_does_not_fit_is_still_refused():
    _, padded = pair("r2plus1d_18")
    wrong = {**padded.state_dict(), "stem.1.weight": torch.zeros(5)}
    with pytest.raises(RuntimeError, match=r"size mismatch for stem\.1\.weight"):
        padded.load_state_dict(wrong)


def test_memory_format_and_frozen_weights_stay():
    network = model.build("r2plus1d_18", 3, width=5).to(memory_format=torch.channels_last_3d)
    network.stem.requires_grad_(False)
    pad(network)
    assert network.stem[3].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert not network.stem[0].weight.requires_grad
    assert network.layer1[0].conv1[0][0].weight.requires_grad
