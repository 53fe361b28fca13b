"""Scores against a recomputation from the logits that were written, and what does not fit."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infer.results import show
from infer.score import require_split, score
from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.spec import ClipSpec, Window
from model import checkpoint
from model.checkpoint import Checkpoint
from model.preprocess import Normalise
from model.world import World
from shards.stream import Stream

REPO = Path(__file__).resolve().parents[2]
ALONE = World(0, 1, torch.device("cpu"))
FILES = ["classes.csv", "confusion.png", "metrics.json", "predictions.parquet"]


def scored(root: Path, weights: Checkpoint, out: Path, split: str = "test", batch: int = 4):
    ui = Ui(quiet=True)
    return score(Dataset.open(str(root)), weights, split, None, batch, out, ALONE, ui)


def predictions(out: Path) -> list[dict]:
    table, _ = tables.read_single(LocalStorage(out), "predictions.parquet", "predictions")
    return table.to_pylist()


@pytest.fixture(scope="module")
def weights(trained) -> Checkpoint:
    return checkpoint.load(trained / "best.safetensors", with_state=False)


@pytest.fixture(scope="module")
def out(learnable, weights, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "a" / "score"
    scored(learnable, weights, folder)
    return folder


def test_predictions_are_a_table_of_every_clip(out, learnable):
    rows = predictions(out)
    truth = {
        row["clip_id"]: row["label_id"] for row in Dataset.open(str(learnable)).clips.to_pylist()
    }
    assert [row["clip_id"] for row in rows] == sorted(c for c in truth if c.startswith("test"))
    for row in rows:
        assert row["label_id"] == truth[row["clip_id"]]
        logits = np.array(row["logits"], np.float64)
        shares = np.exp(logits) / np.exp(logits).sum()
        assert row["top_ids"] == np.argsort(-shares).tolist()
        assert row["top_probabilities"] == pytest.approx(sorted(shares, reverse=True), abs=1e-5)
        assert row["views"] == 1


def test_metrics_are_what_the_logits_say(out):
    report = json.loads((out / "metrics.json").read_text())
    rows = [row for row in predictions(out) if row["label_id"] is not None]
    logits = torch.tensor([row["logits"] for row in rows])
    labels = torch.tensor([row["label_id"] for row in rows])
    right = logits.argmax(1) == labels
    assert report["clips"] == 9
    assert report["unlabelled"] == 1
    assert report["top1"] == pytest.approx(right.float().mean().item())
    assert report["top5"] == 1.0, "three classes"
    recalls = [right[labels == number].float().mean().item() for number in range(3)]
    assert report["mean_recall"] == pytest.approx(sum(recalls) / 3)
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    assert report["loss"] == pytest.approx(loss, abs=2e-3), "logits are kept as float16"
    assert report["split"] == "test"
    assert report["split_set"] == "default"
    assert report["network"] == "r2plus1d"


def test_classes_add_up(out):
    with (out / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["red", "green", "blue"]
    assert sum(int(row["clips"]) for row in rows) == 9
    assert sum(int(row["predicted"]) for row in rows) == 9
    top1 = json.loads((out / "metrics.json").read_text())["top1"]
    assert sum(int(row["correct"]) for row in rows) == round(9 * top1)
    for row in rows:
        assert float(row["recall"]) == int(row["correct"]) / int(row["clips"])


def test_the_files_do_not_depend_on_the_batch_and_a_rerun_replaces_them(
    out, learnable, weights, tmp_path
):
    scored(learnable, weights, tmp_path, batch=7)
    (tmp_path / "metrics.json").write_text("old")
    scored(learnable, weights, tmp_path, batch=1)
    assert sorted(os.listdir(tmp_path)) == FILES
    for name in ("classes.csv", "confusion.png"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
    ours, theirs = predictions(tmp_path), predictions(out)
    assert [row["clip_id"] for row in ours] == [row["clip_id"] for row in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one["logits"] == pytest.approx(other["logits"], abs=5e-3)
    Image.open(tmp_path / "confusion.png").verify()


def test_what_does_not_fit_is_named_on_both_sides(learnable, make_root, weights, tmp_path):
    out = tmp_path / "out"
    other = make_root(
        tmp_path / "other", ("test",), ClipSpec(frames=5, rate=1, height=20, width=20)
    )
    with pytest.raises(ClipmillError) as error:
        scored(other, weights, out)
    assert f"{weights.origin} ({weights.spec.digest}) is not that of {other}" in str(error.value)
    assert "frames 4 against 5" in str(error.value)
    strange = dataclasses.replace(weights, labels=("red", "blue", "green"))
    with pytest.raises(ClipmillError) as error:
        scored(learnable, strange, out)
    assert "label_id 1 is 'blue' against 'green'" in str(error.value)
    assert weights.origin in str(error.value)
    assert str(learnable) in str(error.value)
    for split, split_set, expected in (
        ("tets", None, r"split 'tets' is not in split set 'default'; expected one of test, train"),
        ("test", "two", "unknown split set 'two'"),
    ):
        with pytest.raises(ClipmillError, match=expected):
            require_split(Dataset.open(str(learnable)), split, split_set)
    assert not out.exists()


def test_a_split_without_a_label_has_no_accuracy(make_root, weights, tmp_path, monkeypatch, capsys):
    from shards.stream import Stream

    root = make_root(tmp_path / "root", ("test",))
    real = Stream.__init__

    def blank(self, *args, **options):
        real(self, *args, **options)
        self.samples.labels[:] = -1

    monkeypatch.setattr(Stream, "__init__", blank)
    report = scored(root, weights, tmp_path / "out")
    assert report["clips"] == 0
    assert report["unlabelled"] == 10
    assert report["top1"] is None
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["loss"] is None
    assert {row["label_id"] for row in predictions(tmp_path / "out")} == {None}
    show(report, tmp_path / "out", Ui())
    said = capsys.readouterr()
    assert "unknown" in said.out
    assert "clips without a label" in said.out


@pytest.mark.parametrize("classes", [1, 101])
def test_one_class_and_a_hundred(make_root, weights, tmp_path, classes):
    """The colours stay; the network and the list of labels get another number of classes."""
    import model

    root = make_root(tmp_path / "root", ("test",))
    labels = [*["red", "green", "blue"], *(f"class {number}" for number in range(98))][:classes]
    dataset = Dataset.open(str(root))
    dataset.__dict__["labels"] = labels
    torch.manual_seed(0)
    network = model.build("r2plus1d", classes, width=4)
    if classes == 1:
        rows = dataset.parts("samples").to_pylist()
        for part in (root / "manifests" / "samples").iterdir():
            part.unlink()
        dataset.append("samples", [row | {"label_id": row["label_id"] and None} for row in rows])
    mine = dataclasses.replace(
        weights, network=network.spec, labels=tuple(labels), weights=network.state_dict()
    )
    report = score(dataset, mine, "test", None, 4, tmp_path / "out", ALONE, Ui(quiet=True))
    rows = predictions(tmp_path / "out")
    assert {len(row["top_ids"]) for row in rows} == {min(5, classes)}
    assert {len(row["logits"]) for row in rows} == {classes}
    assert report["clips"] + report["unlabelled"] == 10
    if classes == 1:
        assert report["top1"] == 1.0
    assert len((tmp_path / "out" / "classes.csv").read_text().splitlines()) == classes + 1


def test_views_are_averaged_as_probabilities(learnable, weights, tmp_path):
    dataset = Dataset.open(str(learnable))
    narrow = dataclasses.replace(weights, window=weights.window._replace(frames=2))
    ui = Ui(quiet=True)
    report = score(dataset, narrow, "test", None, 4, tmp_path, ALONE, ui, clips=3)
    assert (report["views"], report["missing"]) == (3, 0)
    assert report["accuracy_of"] == "videos (mean of 3 windows of 1 crops)"
    network, normalise = narrow.build_model(), Normalise(narrow.mean, narrow.std)
    side = (dataset.spec.height - narrow.window.height + 1) // 2
    place = slice(side, side + narrow.window.height)
    whole = Window(4, dataset.spec.height, dataset.spec.width)
    stream = Stream(dataset, "test", whole, global_batch=10, train=False)
    [batch] = stream
    with torch.inference_mode():
        shares = [
            network(normalise(batch.pixels[:, t : t + 2, place, place])).softmax(1)
            for t in (0, 1, 2)
        ]
    expected = torch.stack(shares).mean(0)
    for row, mean in zip(predictions(tmp_path), expected, strict=True):
        assert row["views"] == 3
        assert row["top_probabilities"] == pytest.approx(
            mean.sort(descending=True).values.tolist(), abs=2e-3
        )
