"""Who is mixed with whom, how much of it, and that the number of ranks does not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train import mixup

CPU = torch.device("cpu")


@given(st.lists(st.booleans(), max_size=20))
def test_partners_are_valid_neighbours_and_mutual(flags):
    valid = np.array(flags, bool)
    found = mixup.partners(valid)
    places = np.flatnonzero(valid)
    assert len(found) == len(places)
    for number, partner in enumerate(found):
        assert found[partner] == number
        neighbour = places[number] ^ 1
        alone = neighbour >= len(valid) or not valid[neighbour]
        assert places[partner] == (places[number] if alone else neighbour)


@given(st.integers(1, 6), st.integers(1, 5))
def test_pairs_do_not_depend_on_ranks_that_have_even_shares(half, ranks):
    share = 2 * half
    whole = mixup.partners(np.ones(share * ranks, bool))
    parts = [share * rank + mixup.partners(np.ones(share, bool)) for rank in range(ranks)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 3.0])
def test_parts_are_as_beta_has_them(alpha):
    random = torch.from_numpy(np.random.default_rng(1).random(200_000, np.float32))
    part = mixup.smaller_part(random, alpha).double()
    assert part.min() >= 0 and part.max() <= 0.5
    drawn = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    expected = torch.from_numpy(np.minimum(drawn, 1 - drawn))
    marks = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    assert (part.quantile(marks) - expected.quantile(marks)).abs().max() < 0.005


def test_a_clip_keeps_most_of_itself_and_the_same_part_in_every_frame():
    clips = torch.arange(3.0).view(3, 1, 1, 1, 1).expand(3, 3, 2, 4, 4)
    mixed = mixup.mix(clips, torch.tensor([1, 0, 2]), torch.tensor([0.25, 0.5, 0.3]))
    torch.testing.assert_close(mixed[:, 0, 0, 0, 0], torch.tensor([0.25, 0.5, 2.0]))
    assert (mixed == mixed[:, :1, :1, :1, :1]).all()
