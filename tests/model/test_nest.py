"""Nested state comes back equal in type, order and bits; anything that is not data is refused."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from model import nest

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from([*FLOATS, *INTS, torch.bool]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    count = int(np.prod(shape)) * dtype.itemsize
    bits = torch.randint(0, 256, (count,), dtype=torch.uint8, generator=generator)
    if dtype == torch.bool:
        return (bits > 127).view(shape)
    return bits.view(dtype).view(shape)  # NaN of every kind included


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
nests = st.recursive(
    scalars | tensors(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


def same(one, two):
    """Equality of type, order and bits."""
    assert type(one) is type(two)
    if isinstance(one, dict):
        same([*one], [*two])
        same([*one.values()], [*two.values()])
    elif isinstance(one, list | tuple):
        assert len(one) == len(two)
        for left, right in zip(one, two, strict=True):
            same(left, right)
    elif isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape) == (two.dtype, two.shape)
        assert one.reshape(-1).view(torch.uint8).equal(two.reshape(-1).view(torch.uint8))
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
    else:
        assert repr(one) == repr(two)  # tells -0.0 from 0.0, and NaN is NaN


@settings(deadline=None, database=None)
@given(nests)
def test_round_trip(value):
    text, found = nest.pack(value, "state/")
    assert all(name.startswith("state/") for name in found)
    same(nest.unpack(text, found), value)


def test_tensors_are_not_copied():
    tensor = torch.zeros(4, requires_grad=True)
    _, found = nest.pack({"a": [tensor]}, "s/")
    assert found["s/0"].data_ptr() == tensor.data_ptr()
    assert not found["s/0"].requires_grad


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_an_optimiser_goes_on_bit_for_bit(kind):
    def run(steps, restart):
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 3)
        options = {"lr": 0.1} | ({"momentum": 0.9} if kind == "SGD" else {})
        optimiser = getattr(torch.optim, kind)(layer.parameters(), **options)
        for step in range(steps):
            if restart and step == 2:
                text, found = nest.pack([optimiser.state_dict(), torch.get_rng_state()], "")
                optimiser = getattr(torch.optim, kind)(layer.parameters(), lr=9)
                torch.manual_seed(99)
                state, generator = nest.unpack(text, found)
                optimiser.load_state_dict(state)
                torch.set_rng_state(generator)
            optimiser.zero_grad()
            layer(torch.randn(5, 4)).square().sum().backward()
            optimiser.step()
        return torch.cat([parameter.detach().view(-1) for parameter in layer.parameters()])

    assert torch.equal(run(5, restart=True), run(5, restart=False))


def test_random_generators_come_back():
    old = np.random.RandomState(3)
    states = {
        "python": random.Random(1).getstate(),
        "numpy": np.random.default_rng(2).bit_generator.state,
        "legacy": old.get_state(),
    }
    text, found = nest.pack(states, "")
    back = nest.unpack(text, found)
    same(back["python"], states["python"])
    same(back["legacy"], states["legacy"])
    generator = np.random.default_rng(0)
    generator.bit_generator.state = back["numpy"]
    assert generator.random() == np.random.default_rng(2).random()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [1, object()]}, r"state\['a'\]\[1\] is a builtins.object"),
        ({"f": len}, r"state\['f'\] is a builtins.builtin_function"),
        ({(1, 2): 3}, r"the key \(1, 2\) of state is a builtins.tuple"),
        ([b"bytes"], r"state\[0\] is a builtins.bytes"),
        ([np.array(["text"])], r"state\[0\] is a numpy.ndarray"),
        ([np.int64(3)], r"state\[0\] is a numpy.int64"),
    ],
)
def test_what_is_not_data_is_refused_by_place_and_type(value, named):
    with pytest.raises(ClipmillError, match=named):
        nest.pack(value, "")


def test_a_state_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ClipmillError, match="deeper than 64"):
        nest.pack(loop, "")


@pytest.mark.parametrize("text", ["{}", '{"code":"x"}', '{"tensor":"none"}', '{"dict":[1]}', "["])
def test_text_of_another_origin_is_an_ordinary_error(text):
    with pytest.raises((ValueError, KeyError, TypeError)):
        nest.unpack(text, {})
