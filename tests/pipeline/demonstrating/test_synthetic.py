"""The proof that the demo's classes differ in motion and its direction only.

Place and size of the body are taken for the frame here: a frame is made of them and of a look that
knows no class, so nobody can read more from its pixels.
"""

import math

import numpy as np
import pytest

from manifests.errors import ClipmillError
from pipeline.demonstrating.drawing import SIDE
from pipeline.demonstrating.synthetic import (
    CLASSES,
    FRAMES,
    MOTIONS,
    RADII,
    REACH,
    render,
    trajectory,
)

PAIRS = list(zip(list(CLASSES)[::2], list(CLASSES)[1::2], strict=True))
TAKEN = np.arange(1, FRAMES, 3)  # the eight frames that uniform sampling takes


def uniform(path):
    """(FRAMES, 2): squared distance from the middle and angle, each on a scale from 0 to 1."""
    x, y = path.x - 0.5, path.y - 0.5
    return np.stack([(x**2 + y**2) / REACH**2, np.arctan2(y, x) / (2 * np.pi) % 1], 1)


def paths(count, seed):
    """(8 * count, 8, 3): x, y and radius in the eight frames of many clips; and their labels."""
    rng = np.random.default_rng(seed)
    clips = []
    for motion, backwards in CLASSES.values():
        for _ in range(count):
            path = trajectory(motion, rng)
            states = np.stack([path.x - 0.5, path.y - 0.5, path.radius], 1)[TAKEN]
            clips.append(states[::-1] if backwards else states)
    return np.array(clips), np.repeat(np.arange(8), count)


def neighbours(train, labels, test, k=15):
    """What the k nearest training samples say most often."""
    scale = train.std(0) + 1e-9
    train, test = train / scale, test / scale
    gaps = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)
    near = labels[np.argpartition(gaps, k, 1)[:, :k]]
    return np.array([np.bincount(row, minlength=8).argmax() for row in near])


def features(states):
    """What does not depend on the order (how far each value spreads), and the usual step."""
    x, y, radius = states.transpose(2, 0, 1)
    distance, angle = np.hypot(x, y), np.unwrap(np.arctan2(y, x))
    spreads = [np.std(value, 1) for value in (x, y, radius, distance)]
    steps = [np.median(np.diff(value), 1) for value in (x, y, radius, angle)]
    return np.stack(spreads + steps, 1)


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
def test_at_every_instant_the_place_is_uniform_in_every_class(motion, frame):
    rng = np.random.default_rng(11)
    count, cells = 6400, 8
    found = np.array([uniform(trajectory(motion, rng))[frame] for _ in range(count)])
    table = np.histogramdd(found, bins=cells, range=[(0, 1)] * 2)[0]
    expected = count / cells**2
    chi_squared = ((table - expected) ** 2 / expected).sum()
    freedom = cells**2 - 1
    assert table.sum() > 0.999 * count  # a float32 may step over the rim
    assert chi_squared < freedom + 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("motion", ["across", "along", "orbit"])
def test_in_a_frame_taken_at_random_the_size_has_one_law(motion):
    def sizes(name, seed):
        rng = np.random.default_rng(seed)
        return [rng.choice(trajectory(name, rng).radius) for _ in range(6400)]

    bins = np.geomspace(*RADII, 17) * np.where(np.arange(17) == 16, 1.001, 1)
    mine, zoomed = (np.histogram(sizes(*of), bins)[0] for of in ((motion, 13), ("zoom", 14)))
    assert mine.sum() == zoomed.sum() == 6400
    chi_squared = ((mine - zoomed) ** 2 / np.maximum(mine + zoomed, 1)).sum()
    assert chi_squared < 15 + 4 * math.sqrt(30)


@pytest.mark.parametrize(
    ("motion", "grows"), [("across", "x"), ("along", "y"), ("orbit", "angle"), ("zoom", "radius")]
)
def test_the_forward_motions_go_as_their_names_say(motion, grows):
    rng = np.random.default_rng(12)
    for _ in range(20):
        path = trajectory(motion, rng)
        angle = np.unwrap(np.arctan2(path.y - 0.5, path.x - 0.5))
        values = {"x": path.x, "y": path.y, "angle": angle, "radius": path.radius}
        steps = np.diff(values[grows])
        assert (steps > 0).sum() >= FRAMES - 3  # the others are where it starts anew
        assert np.median(steps) > 0


def test_from_single_frames_the_class_is_chance():
    rng = np.random.default_rng(6)

    def frames(clips):
        return clips[np.arange(len(clips)), rng.integers(0, 8, len(clips))]

    train, labels = paths(1200, 1)
    test, truth = paths(600, 2)
    said = neighbours(frames(train), labels, frames(test))
    assert close_to((said == truth).mean(), 1 / 8, len(truth))


def test_in_order_the_class_is_plain_and_shuffled_only_the_axis_survives():
    train, labels = paths(600, 3)
    test, truth = paths(300, 4)
    said = neighbours(features(train), labels, features(test))
    assert (said == truth).mean() > 0.97
    rng = np.random.default_rng(5)
    train, test = (np.stack([clip[rng.permutation(8)] for clip in x]) for x in (train, test))
    said = neighbours(features(train), labels, features(test))
    axis = said // 2 == truth // 2
    assert axis.mean() > 0.9
    assert close_to((said == truth)[axis].mean(), 1 / 2, axis.sum())
