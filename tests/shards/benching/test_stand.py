"""A way that stands by in a process of its own."""

from dataclasses import replace
from pathlib import Path

from shards.benching.compare import ours
from shards.benching.contestant import Contestant
from shards.benching.setup import setup_of


def test_it_serves_rounds(learnable: Path) -> None:
    setup = replace(setup_of(str(learnable), "train", None, 2, (10, 12)), batch=5, workers=1)
    with Contestant(ours("DataLoader", setup).command) as one:
        assert one.ready().about == {"shape": [5, 2, 10, 12, 3], "kind": "uint8"}
        assert one.round(7).clips == 35
