"""Each way gives what it is measured for: whole batches of windows of this root's clips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.spec import ClipSpec
from shards.benching.setup import Clips, Setup, setup_of
from shards.benching.ways import ALONE, WAYS, YARDSTICK


@pytest.fixture(scope="module", params=["raw", "jpeg"])
def setup(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_root: Callable[..., Path],
) -> Setup:
    root = tmp_path_factory.mktemp(request.param) / "root"
    spec = ClipSpec(frames=4, rate=1, height=20, width=20, codec=request.param)
    make_root(root, ("train",), spec)
    return replace(setup_of(str(root), "train", None, 2, (18, 19)), batch=5)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", WAYS)
def test_batches_are_windows_of_clips(setup: Setup, name: str, workers: int) -> None:
    if name in ALONE and workers:
        pytest.skip("one core's")
    chosen = replace(setup, workers=workers)
    clips = Clips(chosen)
    known = {
        clips.cut(clips.pixels(row), (time, top, left)).tobytes()
        for row in range(len(clips))
        for time in range(3)
        for top in range(3)
        for left in range(2)
    }
    batches, ahead = WAYS[name](chosen)
    assert (ahead > 0) == (workers > 0)  # or the queues' content would count as made in no time
    seen = set()
    for _ in range(12):  # more than two epochs
        batch = np.asarray(next(batches))
        assert batch.shape == (5, 2, 18, 19, 3) and batch.dtype == np.uint8
        found = {clip.tobytes() for clip in batch}
        assert name.startswith(YARDSTICK) or found <= known
        seen |= found
    assert name.startswith(YARDSTICK) or len(seen) > 20
