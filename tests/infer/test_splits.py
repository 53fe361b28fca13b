"""Scores over every split set: their mean and spread, and what a checkpoint had seen before."""

import json
import statistics
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infer.splits import MEASURES, checkpoints, score_all, score_file, summary
from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from model import checkpoint
from model.world import World
from train.options import Options
from train.splits import train_all

# All stand on runs that take 40 s to train, once a process.
pytestmark = pytest.mark.xdist_group("split sets")
ALONE = World(0, 1, torch.device("cpu"))
SETS = ["split1", "split2", "split3"]


@pytest.fixture(scope="module")
def runs(three_splits, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "all"
    options = Options(width=4, epochs=3, batch=7, lr=0.01)
    dataset = Dataset.open(str(three_splits))
    train_all(dataset, options, str(folder), ALONE, False, Ui(quiet=True))
    return folder


def test_one_command_scores_all_and_gives_their_mean(three_splits, runs, cli, tmp_path):
    words = [f"--root={three_splits}", f"--checkpoint={runs}", "--split-set=all", "--device=cpu"]
    done = cli("score", *words, "--out", tmp_path / "out", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    for word in (*SETS, "mean", "deviation", "accuracy of clips (one centre view each)"):
        assert word in done.stdout
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    dataset = Dataset.open(str(three_splits))
    for name in SETS:
        mine = tmp_path / "out" / name
        assert report["split_sets"][name] == json.loads((mine / "metrics.json").read_text())
        rows, _ = tables.read_single(LocalStorage(mine), "predictions.parquet", "predictions")
        parts = dataset.splits_of(name)
        assert rows["clip_id"].to_pylist() == sorted(c for c in parts if parts[c] == ["test"])
        leaks = report["split_sets"][name]["leaks"]
        assert (leaks["videos"], leaks["train"], leaks["val"]) == (9, 0, 0)
    values = [report["split_sets"][name]["top1"] for name in SETS]
    assert report["mean"]["top1"] == pytest.approx(sum(values) / 3)
    assert report["deviation"]["top1"] == pytest.approx(statistics.stdev(values))
    assert (report["lowest"]["top1"], report["highest"]["top1"]) == (min(values), max(values))


def test_views_make_it_the_accuracy_of_videos(three_splits, runs, tmp_path):
    dataset, ui = Dataset.open(str(three_splits)), Ui(quiet=True)
    report = score_all(dataset, runs, "test", 4, tmp_path, ALONE, ui, 1, 3)
    assert report["views"] == 3
    assert report["accuracy_of"] == "videos (mean of 1 windows of 3 crops)"


@pytest.mark.parametrize(
    ("split_set", "split", "expected"),
    [
        ("split1", "test", ""),
        ("split1", "val", ""),
        ("split1", "train", ""),
        ("split2", "train", ""),
        ("split2", "test", "9 of the 9 videos of test of split2 of colours were in the check"),
        ("split3", "test", "9 of the 9 videos of test of split3 of colours were in the check"),
    ],
)
def test_a_model_of_one_set_scored_on_another_is_warned_of(
    three_splits, runs, tmp_path, capsys, split_set, split, expected
):
    dataset, file = Dataset.open(str(three_splits)), runs / "split1" / "best.safetensors"
    report = score_file(dataset, file, split, split_set, 4, tmp_path, ALONE, Ui(quiet=True), 1, 1)
    said = " ".join(capsys.readouterr().err.split())
    assert expected in said
    assert ("warning" in said) == bool(expected)
    assert report["leaks"]["videos"] == report["clips"]


def test_the_folder_of_all_runs_needs_the_option(three_splits, runs, tmp_path, cli):
    words = [f"--root={three_splits}", f"--checkpoint={runs}", "--device=cpu", "--out", tmp_path]
    done = cli("score", *words)
    assert done.returncode == 2
    text = " ".join(done.stderr.split())
    assert "split1/best.safetensors" in text and "goes with --split-set all" in text


def test_an_older_checkpoint_is_scored_without_a_word(three_splits, runs, tmp_path, capsys):
    older = checkpoint.load(runs / "split1" / "best.safetensors", with_state=False)
    checkpoint.save(tmp_path / "older.safetensors", older)
    dataset = Dataset.open(str(three_splits))
    report = score_file(
        dataset, tmp_path / "older.safetensors", "test", "split2", 4, tmp_path / "out", ALONE,
        Ui(quiet=True), 1, 1,
    )  # fmt: skip
    assert report["leaks"] is None
    assert capsys.readouterr().err == ""


def test_the_best_is_taken_or_the_last_and_none_may_lack(tmp_path):
    for name, file in (("a", "last"), ("a", "best"), ("b", "last")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{file}.safetensors").touch()
    found = checkpoints(tmp_path, ("a", "b"))
    assert [str(path.relative_to(tmp_path)) for path in found.values()] == [
        "a/best.safetensors",
        "b/last.safetensors",
    ]
    with pytest.raises(ClipmillError, match=r"no best.safetensors or last.safetensors in .*/c; "):
        checkpoints(tmp_path, ("a", "c"))
    with pytest.raises(ClipmillError, match="expected --checkpoint to be the folder"):
        checkpoints(tmp_path / "a" / "best.safetensors", ("a",))


def test_runs_that_have_not_ended_are_told(three_splits, runs, tmp_path, capsys):
    text = (runs / "finished.json").read_text()
    try:
        (runs / "finished.json").write_text('["split1"]')
        dataset, ui = Dataset.open(str(three_splits)), Ui(quiet=True)
        score_all(dataset, runs, "test", 4, tmp_path, ALONE, ui, 1, 1)
    finally:
        (runs / "finished.json").write_text(text)
    assert "has not come to its end on split2, split3" in capsys.readouterr().err


values = st.dictionaries(
    st.sampled_from("abcd"),
    st.fixed_dictionaries({name: st.none() | st.floats(0, 1) for name in MEASURES}),
    min_size=1,
)


@given(values)
def test_the_mean_lies_between_the_extremes(found):
    about = dict.fromkeys(("dataset", "split", "views", "accuracy_of", "network"), "x")
    report = summary({name: about | of for name, of in found.items()})
    for name in MEASURES:
        column = [of[name] for of in found.values()]
        if None in column:
            assert report["mean"][name] is report["deviation"][name] is None
            continue
        low, mean, high = (report[title][name] for title in ("lowest", "mean", "highest"))
        assert low - 1e-9 <= mean <= high + 1e-9
        assert (report["deviation"][name] is None) == (len(column) == 1)
        if len(column) > 1:
            squares = sum((value - mean) ** 2 for value in column)
            expected = (squares / (len(column) - 1)) ** 0.5
            assert report["deviation"][name] == pytest.approx(expected, abs=1e-6)
