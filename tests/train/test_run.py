"""The run folder: what is there already, and what was asked for."""

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
