"""`bench train` on a root so small that a step is a few milliseconds."""

import json


def test_every_way_trains_in_turn_and_the_ratios_are_told(learnable, cli):
    given = ["--width=4", "--batch=4", "--rounds=2", "--seconds=0.01", "--workers=1"]
    done = cli("bench", "train", "--json", "--root", learnable, *given, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["clips_per_s"]) == 7
    assert all(rate > 0 for rate in report["clips_per_s"].values())
    assert set(report["ratios"]) >= {"step_to_seed", "with_loading_to_seed", "loading"}
    assert all(0 < value < 1000 for value in report["ratios"].values())
    for found in report["roofline"].values():
        assert 0 < found["of_possible"] < 2 and found["gflop_per_s"] > 0
    assert report["window"] == [4, 17, 17] and report["ways"]["r2plus1d"]["precision"] == "fp32"


def test_wrong_use_is_one_sentence(learnable, cli):
    done = cli("bench", "train", "--root", learnable, "--batch", 25)
    assert done.returncode == 2
    assert "25" in done.stderr and "Traceback" not in done.stderr
