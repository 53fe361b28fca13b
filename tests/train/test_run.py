"""The run folder: what is there already, options and the log."""

import csv

import pytest

from manifests.errors import ClipmillError
from train import recipe
from train.options import Options
from train.run import Run


def test_a_run_that_is_here_is_neither_overwritten_nor_made_up(tmp_path):
    run = Run(tmp_path / "run")
    assert not run.require(resume=False)
    assert not run.require(resume=True), "the first start of a job that always says --resume"
    assert not run.folder.exists()
    run.folder.mkdir()
    run.last.write_bytes(b"")
    assert run.require(resume=True)
    with pytest.raises(ClipmillError, match=r"holds a run already.*--resume.*--run"):
        run.require(resume=False)


def test_what_was_asked_for_is_kept_as_a_recipe(tmp_path):
    run, options = Run(tmp_path / "a" / "run"), Options(crop=(16, 17), width=8)
    run.write_recipe(recipe.text(options, "a run"))
    assert recipe.resolve(str(run.folder / "recipe.toml"), {}) == options


def test_the_log_is_replaced_whole(tmp_path):
    run = Run(tmp_path)
    run.write_log([])
    assert not (tmp_path / "log.csv").exists()
    rows = [{"epoch": 1, "lr": 1e-4, "val_top1": None}, {"epoch": 2, "lr": 1 / 3, "val_top1": 1.0}]
    run.write_log(rows[:1])
    run.write_log(rows)
    with (tmp_path / "log.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["epoch"] for row in found] == ["1", "2"]
    assert [row["lr"] for row in found] == ["0.0001", "0.333333"]
    assert [row["val_top1"] for row in found] == ["", "1"]
