"""`status --checkpoint`: what a checkpoint has seen of a root, by a checkpoint that was trained."""

import csv
import json

import pytest
import torch

import model
from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.seen import seen_by
from manifests.spec import Window
from model import checkpoint
from model.checkpoint import Checkpoint
from pipeline.checkpoint_leaks import leaks


def saved(path, dataset, split_set, train, val=(), with_seen=True):
    """A checkpoint of random weights that says it was trained on these clips."""
    network = model.build("r2plus1d", len(dataset.labels), width=4)
    seen = seen_by(dataset, split_set, train, val) if with_seen else None
    window = Window(dataset.spec.frames, dataset.spec.height, dataset.spec.width)
    checkpoint.save(
        path,
        Checkpoint(
            network.spec, dataset.spec, window, (0.4,) * 3, (0.2,) * 3, tuple(dataset.labels),
            network.state_dict(), seen=seen,
        ),
    )  # fmt: skip
    return path


def clips_in(dataset, split_set, split):
    return [clip for clip, parts in dataset.splits_of(split_set).items() if split in parts]


def test_split_sets_of_one_root_leak_into_each_other(three_splits, tmp_path):
    torch.manual_seed(0)
    dataset = Dataset.open(str(three_splits))
    train, val = (clips_in(dataset, "split1", split) for split in ("train", "val"))
    file = saved(tmp_path / "a.safetensors", dataset, "split1", train, val)
    mine = leaks(dataset, file, None)
    assert mine["trained_on"] == {"dataset": "colours", "split_set": "split1"}
    assert (mine["train_videos"], mine["val_videos"]) == (28, 5)
    counts = {name: (x["videos"], x["train"], x["val"]) for name, x in mine["splits"].items()}
    assert counts == {"train": (28, 28, 0), "val": (5, 0, 5), "test": (9, 0, 0)}
    assert mine["warnings"] == []
    other = leaks(dataset, file, "split2")
    expected = len(set(train) & set(clips_in(dataset, "split2", "test")))
    assert other["splits"]["test"]["train"] == expected > 0
    examples = other["splits"]["test"]["train_examples"]
    assert len(examples) == 3
    assert any(
        text.startswith(f"{expected} of the 9 videos of test of split2 of colours were in")
        and ", ".join(examples) in text
        for text in other["warnings"]
    )


def test_the_command_says_so(three_splits, cli, tmp_path):
    dataset = Dataset.open(str(three_splits))
    train = clips_in(dataset, "split1", "train")
    file = saved(tmp_path / "a.safetensors", dataset, "split1", train)
    done = cli("status", "--root", three_splits, "--split-set=split2", "--checkpoint", file)
    assert done.returncode == 0, done.stderr
    assert "in its train" in done.stdout
    assert "warning: 9 of the 9 videos of test of split2 of colours were in" in done.stderr
    done = cli("status", "--json", "--root", three_splits, "--checkpoint", file)
    assert json.loads(done.stdout)["checkpoint"]["splits"]["test"]["train"] == 0
    done = cli("status", "--json", "--root", three_splits, "--checkpoint", tmp_path / "gone")
    assert done.returncode == 2
    assert "no checkpoint at" in json.loads(done.stdout)["error"]


def test_an_older_checkpoint_cannot_tell(three_splits, tmp_path):
    dataset = Dataset.open(str(three_splits))
    file = saved(tmp_path / "a.safetensors", dataset, "split1", [], with_seen=False)
    report = leaks(dataset, file, None)
    assert not report["known"]
    assert "does not say which videos it was trained on" in report["warnings"][0]
    with pytest.raises(ClipmillError, match="is not a whole checkpoint"):
        leaks(dataset, three_splits / "dataset.toml", None)


def kinetics(path, root, name, split, spec):
    """Annotate a real list's ids as one split of a root."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        ids = [(r["youtube_id"], r["time_start"]) for r in csv.DictReader(file)]
    clips = [Clip(f"{x}-{at}", name, "a", 0, x, f"youtube:{x}") for x, at in dict.fromkeys(ids)]
    rows = [SplitRow("default", clip.clip_id, split) for clip in clips]
    found = Annotation(name, clips, [Label(0, "a", "a")], rows, ["default"])
    return annotations.annotate(str(root), found, spec, 0, "videos")


@pytest.mark.shared
def test_val_of_kinetics_400_in_test_of_kinetics_600(shared, spec, tmp_path):
    lists = shared / "data/annotations"
    old = lists / "kinetics400/activitynet/kinetics-400_val.csv"
    new = lists / "kinetics600/activitynet/kinetics-600_test.csv"
    smaller = kinetics(old, tmp_path / "k400", "kinetics400", "val", spec)
    larger = kinetics(new, tmp_path / "k600", "kinetics600", "test", spec)
    val = smaller.clips["clip_id"].to_pylist()
    report = leaks(larger, saved(tmp_path / "a", smaller, "default", [], val), None)
    assert report["splits"]["test"]["val"] == 450
    [text] = report["warnings"]
    assert text.startswith("450 of the 72,9")
    assert "were in the checkpoint's val (it was trained on default of kinetics400)" in text
