"""The run folder: what is there already, options and the log."""

import csv
import json

import pytest

from manifests.errors import ClipmillError
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


def test_options_are_json(tmp_path):
    run = Run(tmp_path / "a" / "run")
    run.write_options(Options(crop=(16, 17)).as_dict())
    found = json.loads((run.folder / "options.json").read_text())
    assert Options(**found | {"crop": tuple(found["crop"])}) == Options(crop=(16, 17))


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
