"""Normalise against numpy, its memory layout, flips, and what it refuses."""

import numpy as np
import pytest
import torch

from manifests.errors import ClipmillError
from model.preprocess import MEAN, STD, Normalise


def clips(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def reference(pixels, mean=MEAN, std=STD):
    scaled = (pixels.astype(np.float64) / 255 - np.array(mean)) / np.array(std)
    return scaled.transpose(0, 4, 1, 2, 3)


@pytest.mark.parametrize(("mean", "std"), [(MEAN, STD), ((0, 0, 0), (1, 1, 1))])
def test_equals_numpy(mean, std):
    pixels = clips(3, 4, 10, 12, 3)
    before = pixels.clone()
    values = Normalise(mean, std)(pixels)
    assert values.dtype == torch.float32
    np.testing.assert_allclose(values.numpy(), reference(pixels.numpy(), mean, std), atol=2e-6)
    assert torch.equal(pixels, before)


def test_layout_is_channels_last_also_for_a_crop():
    pixels = clips(2, 4, 20, 20, 3)
    for view in (pixels, pixels[:, 1:3, 2:18, 4:20]):
        values = Normalise()(view)
        assert values.is_contiguous(memory_format=torch.channels_last_3d)
        np.testing.assert_allclose(values.numpy(), reference(view.numpy()), atol=2e-6)


def test_flips_the_chosen_clips_left_to_right():
    pixels = clips(3, 2, 5, 6, 3)
    values = Normalise()(pixels, torch.tensor([False, True, False]))
    expected = reference(pixels.numpy())
    expected[1] = expected[1, :, :, :, ::-1]
    np.testing.assert_allclose(values.numpy(), expected, atol=2e-6)


def test_nothing_in_the_state_dict_and_the_numbers_as_given():
    normalise = Normalise()
    assert not normalise.state_dict()
    assert (normalise.mean, normalise.std) == (MEAN, STD)


def test_constants_move_with_the_module():
    assert (
        Normalise().to("meta")(torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8, device="meta")).is_meta
    )


@pytest.mark.parametrize(
    ("batch", "flip", "named"),
    [
        (torch.zeros(1, 2, 4, 4, 3), None, "torch.float32"),
        (torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8), None, "\\(1, 3, 2, 4, 4\\)"),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), None, "\\(2, 4, 4, 3\\)"),
        (clips(2, 2, 4, 4, 3), torch.zeros(3, dtype=torch.bool), "flip .* \\(3,\\)"),
        (clips(2, 2, 4, 4, 3), torch.zeros(2), "flip of torch.float32"),
    ],
)
def test_other_batches_are_refused(batch, flip, named):
    with pytest.raises(ClipmillError, match=named):
        Normalise()(batch, flip)


@pytest.mark.parametrize(
    ("mean", "std", "named"),
    [
        ((0.4, 0.4), STD, "mean"),
        (MEAN, (0.2, 0, 0.2), "std"),
        (MEAN, (0.2, float("nan"), 1), "std"),
    ],
)
def test_bad_constants_are_refused(mean, std, named):
    with pytest.raises(ClipmillError, match=f"^{named} is"):
        Normalise(mean, std)
