"""The proof that the demo's classes differ in motion and its direction only.

The object's true place and size stand for a frame here: a frame is made of them and of a look
that knows no class, so nobody can read more from the pixels. A slow test asks real networks.
"""

import math

import numpy as np
import pytest

from manifests.errors import ClipmillError
from pipeline.synthetic import CLASSES, FRAMES, MOTIONS, RADII, SIDE, render, trajectory

PAIRS = list(zip(list(CLASSES)[::2], list(CLASSES)[1::2], strict=True))
TAKEN = np.arange(1, FRAMES, 3)  # the eight frames that uniform sampling takes


def paths(count, seed):
    """(8 * count, 8, 3) of x, y and phase of the size, each in 0..1, and the labels."""
    rng = np.random.default_rng(seed)
    clips = []
    for motion, backwards in CLASSES.values():
        for _ in range(count):
            path = trajectory(motion, rng)
            phase = np.log(path.radius / RADII[0]) / np.log(RADII[1] / RADII[0])
            states = np.stack([path.x, path.y, phase], 1)[TAKEN]
            clips.append(states[::-1] if backwards else states)
    return np.array(clips), np.repeat(np.arange(8), count)


def neighbours(train, labels, test, k=15):
    """What the k nearest training samples say most often."""
    scale = train.std(0) + 1e-9
    train, test = train / scale, test / scale
    gaps = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)
    near = labels[np.argpartition(gaps, k, 1)[:, :k]]
    return np.array([np.bincount(row, minlength=8).argmax() for row in near])


def round_a_ring(states):
    return np.concatenate([np.cos(2 * np.pi * states), np.sin(2 * np.pi * states)], -1)


def step_features(states):
    """Mean step, spread and turning: all that tells these motions apart, order included."""
    steps = (np.diff(states, axis=1) + 0.5) % 1 - 0.5
    turning = steps[:, :-1, 0] * steps[:, 1:, 1] - steps[:, :-1, 1] * steps[:, 1:, 0]
    spread = np.abs(np.exp(2j * np.pi * states).mean(1))
    return np.concatenate([steps.mean(1), spread, 20 * turning.mean(1, keepdims=True)], 1)


def close_to(share, expected, count):
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_a_clip_depends_on_class_group_number_and_seed_alone():
    clip = render("ZoomIn", 2, 3)
    assert (clip.shape, clip.dtype) == ((FRAMES, SIDE, SIDE, 3), np.uint8)
    assert np.array_equal(clip, render("ZoomIn", 2, 3, seed=0))
    for other in (("ZoomIn", 2, 4, 0), ("ZoomIn", 3, 3, 0), ("ZoomIn", 2, 3, 1)):
        assert not np.array_equal(clip, render(*other))


def test_an_unknown_class_is_named_with_a_guess():
    with pytest.raises(ClipmillError, match=r"'ZoomIm'.*mean 'ZoomIn'"):
        render("ZoomIm", 1, 1)


@pytest.mark.parametrize(("forward", "backward"), PAIRS)
def test_the_backward_class_is_the_forward_clip_played_backwards(forward, backward):
    clip = render(forward, 4, 2)
    assert np.array_equal(clip[::-1], render(backward, 4, 2))
    assert not np.array_equal(clip[0], clip[-1])


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("frame", [0, FRAMES // 2, FRAMES - 1])
def test_place_and_size_have_one_law_in_every_class_at_every_instant(motion, frame):
    rng = np.random.default_rng(11)
    count, cells = 6400, 4
    found = []
    for _ in range(count):
        path = trajectory(motion, rng)
        phase = math.log(path.radius[frame] / RADII[0]) / math.log(RADII[1] / RADII[0])
        found.append((path.x[frame], path.y[frame], min(max(phase, 0), 1 - 1e-6)))
    table = np.histogramdd(np.array(found) % 1, bins=cells, range=[(0, 1)] * 3)[0]
    expected = count / cells**3
    chi_squared = ((table - expected) ** 2 / expected).sum()
    freedom = cells**3 - 1
    assert chi_squared < freedom + 4 * math.sqrt(2 * freedom)


def test_from_single_frames_the_class_is_chance():
    train, labels = paths(600, 1)
    test, truth = paths(300, 2)
    for frame in (0, 4, 7):
        said = neighbours(round_a_ring(train[:, frame]), labels, round_a_ring(test[:, frame]))
        assert close_to((said == truth).mean(), 1 / 8, len(truth))


def test_in_order_the_class_is_plain_and_shuffled_only_the_axis_survives():
    train, labels = paths(600, 3)
    test, truth = paths(300, 4)
    said = neighbours(step_features(train), labels, step_features(test))
    assert (said == truth).mean() > 0.97
    rng = np.random.default_rng(5)
    train, test = (np.stack([clip[rng.permutation(8)] for clip in x]) for x in (train, test))
    said = neighbours(step_features(train), labels, step_features(test))
    axis = said // 2 == truth // 2
    assert axis.mean() > 0.9
    assert close_to((said == truth)[axis].mean(), 1 / 2, axis.sum())
