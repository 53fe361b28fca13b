"""A run's tables: a row an epoch, every cell of the matrices, and nothing twice."""

import csv
import io
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests import tables
from manifests.dataset import Dataset
from model import checkpoint
from shards.samples import read_samples
from train import figures
from train.measured import Measured

OPTIONS = {"batch": 5, "lr": 0.003, "epochs": 3, "test": True, "log_steps": 2, "seed": 2}
TIMED = {"clips_per_s", "waiting", "seconds", "memory_mb", "gpu_memory_mb"}


def read(folder, name="metrics.parquet", table="metrics"):
    return tables.decode(table, (folder / name).read_bytes(), name)[0].to_pylist()


@pytest.fixture(scope="module")
def trained(learnable, fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "run"
    fit(learnable, folder, **OPTIONS)
    return folder


def test_a_row_for_each_epoch_alike_in_both_files(trained):
    rows = read(trained)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert [row["clips"] for row in rows] == [24, 48, 72]
    with (trained / "metrics.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [list(row) for row in written] == [list(row) for row in rows]
    for one, other in zip(rows, written, strict=True):
        for name, value in one.items():
            if value is None:
                assert other[name] == "", name
            else:
                assert float(other[name]) == pytest.approx(value, rel=1e-5), name
        assert one["gpu_memory_mb"] is None
        assert 20 < one["memory_mb"] < 100_000
        assert one["seconds"] > 0
        for split in figures.SPLITS:
            assert 0 <= one[f"{split}_top1"] <= one[f"{split}_top5"] <= 1


def test_matrices_hold_the_clips_and_give_the_figures(learnable, trained):
    dataset, labels = Dataset.open(str(learnable)), 3
    for row in read(trained):
        cells = read(trained, f"confusions/epoch-{row['epoch']:04d}.parquet", "confusions")
        for split in figures.SPLITS:
            matrix = np.zeros((labels, labels), int)
            for cell in cells:
                if cell["split"] == split:
                    matrix[cell["label_id"], cell["predicted_id"]] += cell["clips"]
            known = (read_samples(dataset, split, None).labels >= 0).sum()
            assert matrix.sum() == (20 if split == "train" else known), "four batches of five"
            assert matrix.trace() / matrix.sum() == pytest.approx(row[f"{split}_top1"])
            recalls = matrix.diagonal() / matrix.sum(1)
            assert np.nanmean(recalls) == pytest.approx(row[f"{split}_mean_recall"])


def test_a_resumed_run_has_each_epoch_once_and_the_same(learnable, fit, trained, tmp_path):
    folder = tmp_path / "run"
    fit(learnable, folder, **(OPTIONS | {"epochs": 1}))
    last = (folder / "last.safetensors").read_bytes()
    fit(learnable, folder, resume=True, **(OPTIONS | {"epochs": 2}))
    # As if killed after the second epoch's tables and before its checkpoint.
    (folder / "last.safetensors").write_bytes(last)
    fit(learnable, folder, resume=True, **OPTIONS)

    def kept(rows):
        return [{key: x for key, x in row.items() if key not in TIMED} for row in rows]

    assert kept(read(folder)) == kept(read(trained))
    for number in (1, 2, 3):
        name = f"confusions/epoch-{number:04d}.parquet"
        assert read(folder, name, "confusions") == read(trained, name, "confusions")
    assert len(list((folder / "confusions").iterdir())) == 3


def test_test_is_shown_and_decides_nothing(learnable, fit, same_weights, trained, tmp_path):
    folder = tmp_path / "run"
    result = fit(learnable, folder, **(OPTIONS | {"test": False}))
    for name in ("last.safetensors", "best.safetensors"):
        same_weights(folder / name, trained / name)
    rows, shown = read(folder), read(trained)
    assert [row["val_top1"] for row in rows] == [row["val_top1"] for row in shown]
    assert {row["test_top1"] for row in rows} == {None}
    tops = [row["val_top1"] for row in shown]
    assert result["best_val_top1"] == max(tops)
    best = checkpoint.load(trained / "best.safetensors").metrics["epoch"]
    assert best == tops.index(max(tops)) + 1


def test_rows_of_before_are_completed_and_nan_stays():
    before = {"epoch": 1, "lr": 0.1, "train_loss": 2.0, "val_top1": float("nan")}
    (row,) = tables.decode("metrics", figures.as_parquet([before]), "here")[0].to_pylist()
    assert (row["train_loss"], row["step"], row["val_top5"]) == (2.0, 0, None)
    assert row["val_top1"] != row["val_top1"]
    (line,) = csv.DictReader(io.StringIO(figures.as_csv([before]).decode()))
    assert (line["lr"], line["val_top1"], line["val_top5"]) == ("0.1", "nan", "")


def test_600_classes_cost_little():
    cells = np.random.default_rng(0).integers(0, 600, (2, 30_000))
    matrix = np.zeros((600, 600), np.int64)
    np.add.at(matrix, tuple(cells), 1)
    data = figures.confusions({"val": Measured({}, matrix)})
    assert len(data) < 200_000
    assert tables.decode("confusions", data, "here")[0]["clips"].to_numpy().sum() == 30_000


def test_parquet_is_read_by_anybody(trained, tmp_path):
    shutil.copy(trained / "metrics.parquet", tmp_path / "copy.parquet")
    assert pq.read_table(tmp_path / "copy.parquet").num_rows == 3


def test_an_epoch_interrupted_after_its_last_step_has_no_pace(
    learnable, fit, trained, tmp_path, monkeypatch
):
    from train import loop

    real = loop._between_steps

    def between(session, stop):
        stop.asked = session.train.step == len(session.train)
        real(session, stop)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "_between_steps", between)
        with pytest.raises(KeyboardInterrupt):
            fit(learnable, tmp_path / "run", **OPTIONS)
    fit(learnable, tmp_path / "run", resume=True, **OPTIONS)
    rows = read(tmp_path / "run")
    assert [row["clips_per_s"] is None for row in rows] == [True, False, False]
    assert [row["waiting"] is None for row in rows] == [True, False, False]
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in read(trained)]
