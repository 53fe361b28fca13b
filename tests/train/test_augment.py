"""What augmentation does to clips: one change a clip, the same on every frame, drawn elsewhere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.draws import clip_keys, uniforms
from shards.windows import RANDOM
from train import augment

SHAPE = (6, 4, 20, 24, 3)  # N, T, H, W, C


def clips(seed: int = 0, still: bool = False) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)
    if still:
        values[:] = values[:1, :1]
    return torch.from_numpy(values)


def draws(count: int = SHAPE[0], seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(uniforms(clip_keys(map(str, range(count))), seed, 0, 3, RANDOM))


CHANGES = {
    "zoom": lambda pixels, random: augment.zoom(pixels, random, 0.3),
    "colour": lambda pixels, random: augment.colour(pixels, random, 0.6),
    "hue": lambda pixels, random: augment.hue(pixels, random, 0.3),
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_a_clip_and_the_same_on_every_frame(name):
    before = clips(still=True)
    after = CHANGES[name](before, draws())
    assert after.dtype == torch.uint8
    assert after.shape == before.shape
    assert all(torch.equal(clip[0], frame) for clip in after for frame in clip)
    assert len({clip.numpy().tobytes() for clip in after}) == len(after)
    assert torch.equal(before, clips(still=True)), "the input is left alone"


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_numbers_give_the_same_pixels_alone_or_in_company(name):
    before, random = clips(), draws()
    whole = CHANGES[name](before, random)
    assert torch.equal(whole, CHANGES[name](before, random))
    assert torch.equal(whole[2:3], CHANGES[name](before[2:3], random[2:3]))


def test_nothing_happens_at_area_one_and_strength_zero():
    for seed in range(5):
        assert torch.equal(augment.zoom(clips(seed), draws(seed=seed), 1.0), clips(seed))
        assert torch.equal(augment.colour(clips(seed), draws(seed=seed), 0.0), clips(seed))


def ramps() -> torch.Tensor:
    """A clip whose red is 10 x column and whose green is 10 x row: pixels tell where they were."""
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(24), indexing="ij")
    picture = torch.stack([10 * columns, 10 * rows, 0 * rows], 2)
    return picture.to(torch.uint8).expand(1, 2, 20, 24, 3).contiguous()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 1.0), st.lists(st.floats(0, 0.999), min_size=8, max_size=8))
def test_the_part_lies_inside_and_has_the_area_that_was_drawn(least, numbers):
    random = torch.tensor([numbers])
    after = augment.zoom(ramps(), random, least)[0, 0].float() / 10
    # A quarter of the way in from each border, so that borders do not bend the ramps.
    across = (after[10, 18, 0] - after[10, 6, 0]) / 12
    down = (after[15, 12, 1] - after[5, 12, 1]) / 10
    area = least + (1 - least) * numbers[augment.AREA]
    assert float(across * down) == pytest.approx(area, abs=0.04)
    assert 0 < across < 1.02
    assert 0 < down < 1.02
    assert float(across / down) < 4 / 3 + 0.15
    assert float(down / across) < 4 / 3 + 0.15


def test_colour_of_known_numbers():
    """A factor of 1.5 on brightness alone: pixels times 1.5, cut at 255."""
    random = torch.full((1, 8), 0.5)
    random[:, augment.BRIGHTNESS] = 1.0
    pixels = torch.tensor([100, 200, 31], dtype=torch.uint8).expand(1, 2, 3, 4, 3)
    after = augment.colour(pixels, random, 0.5)
    assert after.reshape(-1, 3).unique(dim=0).tolist() == [[150, 255, 46]]


def test_no_saturation_is_grey_and_no_contrast_is_flat():
    random = torch.full((SHAPE[0], 8), 0.5)
    random[:, augment.SATURATION] = 0.0
    grey = augment.colour(clips(), random, 1.0)
    assert torch.equal(grey[..., 0], grey[..., 1])
    random[:, augment.CONTRAST] = 0.0
    assert all(len(clip.unique()) == 1 for clip in augment.colour(clips(), random, 1.0))


def test_about_half_of_the_clips_are_mirrored():
    flips = augment.flips(draws(4000))
    assert flips.dtype == torch.bool
    assert 1850 < int(flips.sum()) < 2150


def test_hue_turns_colours_and_leaves_grey_and_luma():
    grey = torch.arange(40, 220, 20, dtype=torch.uint8).view(1, 1, 1, -1, 1).expand(2, 1, 1, -1, 3)
    random = torch.zeros(2, RANDOM)
    random[:, augment.HUE] = torch.tensor([0.75, 1.0])
    assert (augment.hue(grey, random, 0.5).int() - grey.int()).abs().max() <= 1
    red = torch.tensor([150, 100, 100], dtype=torch.uint8).expand(2, 1, 1, 1, 3)
    quarter, opposite = augment.hue(red, random, 0.5).view(2, 3).float()
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert abs(float((quarter - red[0].view(3)) @ luma)) < 1
    assert opposite[0] < opposite[1] and opposite[0] < opposite[2], "cyan"
    random[:, augment.HUE] = 0.5
    assert torch.equal(augment.hue(clips()[:2], random, 0.5), clips()[:2])


def test_new_draws_leave_those_before_as_they_were():
    keys = clip_keys(map(str, range(5)))
    assert np.array_equal(uniforms(keys, 1, 2, 3, 8), uniforms(keys, 1, 2, 3, RANDOM)[:, :8])
