"""Each way has its turn in each round, another one begins every time."""

import time

import torch

from manifests.console import Ui
from train.benching.turns import Way, alternate, ratio

CPU = torch.device("cpu")


def test_turns_go_round_and_what_was_read_ahead_is_taken_first():
    said: list[str] = []

    def way(name, pause):
        def step():
            said.append(name)
            time.sleep(pause)

        def note(text):
            return lambda: said.append(f"{text} {name}")

        return Way(name, 4, step, note("prepare"), note("drain"))

    ways = [way("a", 0.02), way("b", 0.04)]
    with Ui(quiet=True).progress(6, "turns") as progress:
        rates = alternate(ways, 2, 0.04, CPU, progress)
    begun = [text for text in said if text.startswith("drain")]
    assert begun == ["drain a", "drain b", "drain b", "drain a"]
    assert all(
        said[at - 1] == said[at].replace("drain", "prepare")
        for at in (i for i, text in enumerate(said) if text.startswith("drain"))
    )
    assert [len(found) for found in rates.values()] == [2, 2]
    assert ratio(rates, "a", "b") > 1.2


def test_ratios_are_medians_inside_rounds():
    assert ratio({"a": [2.0, 30.0, 8.0], "b": [1.0, 10.0, 2.0]}, "a", "b") == 3.0
