"""simplejpeg alone: it decodes the strips of a root, in one process or in several."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.spec import ClipSpec
from shards.benching.compare import ours
from shards.benching.contestant import Contestant
from shards.benching.decoding import DECODERS, ONE, TOGETHER
from shards.benching.processes import alive
from shards.benching.setup import Setup, setup_of


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory, make_root: Callable[..., Path]) -> Setup:
    spec = ClipSpec(frames=4, rate=1, height=20, width=20, codec="jpeg")
    root = make_root(tmp_path_factory.mktemp("jpeg") / "root", ("train",), spec)
    return replace(setup_of(str(root), "train", None, 2, (18, 19)), batch=5)


@pytest.mark.parametrize("name", DECODERS)
def test_batches_tell_their_size(setup: Setup, name: str) -> None:
    batches, ahead = DECODERS[name](setup)
    assert ahead == 0
    for batch in itertools.islice(batches, 12):
        assert batch.shape == (5, 2, 18, 19, 3) and batch.dtype == np.uint8


def test_as_many_processes_as_workers_and_they_end(setup: Setup) -> None:
    with Contestant(ours(TOGETHER, replace(setup, workers=2)).command) as one:
        assert one.ready().about["shape"][0] == 5
        assert one.round(20).clips == 100
        assert len(alive(one.session)) == 3
    assert not alive(one.session)
    with Contestant(ours(ONE, replace(setup, workers=2)).command) as one:
        assert one.ready().round(3).clips == 15
        assert len(alive(one.session)) == 1
