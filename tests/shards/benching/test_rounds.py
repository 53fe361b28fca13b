"""Rounds: what is read ahead does not count, and a device takes its time."""

import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest

from shards.benching import rounds


def batches(size: int = 3) -> Iterator[np.ndarray]:
    """Batches without end."""
    return (np.zeros((size, 2), np.uint8) for _ in itertools.count())


def test_what_was_read_ahead_is_taken_first() -> None:
    slow = 0.05

    def source() -> Iterator[np.ndarray]:
        for number in itertools.count():
            if number >= 4:
                time.sleep(slow)
            yield np.zeros((3, 2), np.uint8)

    found = rounds.one_round(source(), ahead=4, steps=3)
    assert found["clips"] == 9
    assert found["seconds"] >= found["waited_s"] >= 3 * slow
    assert found["cpu_s"] >= 0  # of all processes of this session: other tests' too


@pytest.mark.parametrize("size", [1, 20])
def test_a_device_takes_its_time(size: int) -> None:
    found = rounds.one_round(batches(size), ahead=0, steps=10, rate=1000.0)
    step = max(rounds.PYTHON_S, size / 1000)
    assert found["seconds"] >= 10 * step
    assert found["waited_s"] <= found["seconds"] - 10 * step
    assert found["cpu_s"] >= 10 * rounds.PYTHON_S  # its Python is real work
