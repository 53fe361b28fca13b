"""Turns and ratios."""

import sys
from pathlib import Path

import pytest

from manifests.console import Progress
from shards.benching.compare import Arena, Entry, summary, waiting
from shards.benching.contestant import Round
from shards.benching.ways import BARE, MINE, YARDSTICK

SERVES = """
import itertools, numpy as np, sys
from shards.benching.rounds import channel, serve
answers = channel()
def batches():
    for number in itertools.count():
        if number > int(sys.argv[1]):
            raise ValueError("enough")
        yield np.zeros((4, 2), np.uint8)
serve(batches(), 0, answers)
"""


def entry(name: str, most: int = 10**9) -> Entry:
    return Entry(name, (sys.executable, "-c", SERVES, str(most)))


def test_medians_of_ratios_inside_a_round() -> None:
    # The machine is twice as slow in the second round: ratios stay.
    found = {
        YARDSTICK: [Round(100, 1, 1, 0.1), Round(100, 2, 2, 0.1)],
        BARE: [Round(100, 2, 2, 0.2), Round(100, 4, 4, 0.4)],
        MINE: [Round(80, 1, 1, 0.2), Round(80, 2, 2, 0.4)],
        "other": [Round(8, 1, 1, 0.2), Round(8, 2, 2, 0.4)],
    }
    values = summary(found)
    assert values[MINE]["to_memcpy"] == 0.8 and values[MINE]["to_crop_copy"] == 1.6
    assert values[MINE]["cpu_to_crop_copy"] == 1.25
    assert values["other"]["clipmill_to_it"] == 10 and values[MINE]["clipmill_to_it"] == 1
    assert values["other"]["cpu_ms_a_clip"] == 37.5
    assert summary({"other": found["other"]})["other"].keys() == {"clips_per_s", "cpu_ms_a_clip"}


def test_waiting_is_the_median() -> None:
    assert waiting([Round(1, 1, part, 0) for part in (0.5, 0.01, 0.02)]) == 0.02


def test_everybody_has_a_turn_and_who_is_lost_is_told(tmp_path: Path) -> None:
    missing = Entry("none", (sys.executable, "-c", "raise ImportError('no library')"))
    progress = Progress(9, "turns")
    with Arena([entry("a"), missing, entry("lost", 3), entry("b")], clips=40) as arena:
        assert arena.names == ["a", "b"]
        found = arena.rounds(3, 0.01, progress)
        assert {name: len(rounds) for name, rounds in found.items()} == {"a": 3, "b": 3}
        only = arena.rounds(1, 0.05, progress, rate=100.0, names=["b"])
        assert only.keys() == {"b"} and only["b"][0].seconds >= 0.07
    assert arena.missing == {"none": "ImportError: no library", "lost": "ValueError: enough"}
    assert progress.done == 7


@pytest.mark.parametrize("most", [400])
def test_one_that_is_lost_between_rounds(most: int) -> None:
    progress = Progress(9, "turns")
    with Arena([entry("a"), entry("lost", most)], clips=40) as arena:
        while "lost" not in arena.missing:
            found = arena.rounds(2, 0.01, progress)
    assert found.keys() == {"a"} and arena.missing == {"lost": "ValueError: enough"}
