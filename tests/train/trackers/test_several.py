"""A tracker that fails, or is not installed, costs a run one warning."""

import errno
import io
import sys

import pyarrow.parquet as pq
from rich.console import Console

from manifests.console import Ui
from train.curve import Curve
from train.trackers.several import Trackers
from train.trackers.told import Told


class Full:
    """A tracker on a full disk that counts what it was told."""

    name = "full"

    def __init__(self) -> None:
        self.told = 0

    def step(self, curve: Curve) -> None:
        self.told += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def epoch(self, told: Told) -> None:
        self.step(told.curve)

    def flush(self) -> None:
        raise RuntimeError("still full")

    def close(self) -> None:
        raise RuntimeError("still full")


def spoken() -> tuple[Ui, io.StringIO]:
    said = io.StringIO()
    return Ui(_consoles={"stderr": Console(file=said, width=400, markup=False)}), said


def test_one_that_fails_is_warned_of_once_and_told_on():
    ui, said = spoken()
    full, other = Full(), Full()
    other.name = "other"
    trackers = Trackers([full, other], ui)
    for _ in range(3):
        trackers.step(Curve())
        trackers.epoch(Told([{}], {}, [], Curve()))
        trackers.flush()
    trackers.close()
    trackers.close()
    assert (full.told, other.told) == (6, 6)
    assert said.getvalue().count("full cannot be told") == 1
    assert said.getvalue().count("other cannot be told") == 1
    assert "No space left on device" in said.getvalue()


def test_one_that_is_not_installed_is_named_and_the_run_goes_on(
    learnable, fit, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    monkeypatch.delitem(sys.modules, "train.trackers.board", raising=False)
    ui, said = spoken()
    fit(learnable, tmp_path / "run", epochs=1, batch=12, tracker=("tensorboard",), ui=ui)
    assert said.getvalue().count("warning") == 1
    assert "`pip install tensorboard` brings it" in said.getvalue()
    assert pq.read_table(tmp_path / "run" / "metrics.parquet").num_rows == 1


def test_a_folder_that_cannot_be_written_is_told(learnable, fit, tmp_path):
    ui, said = spoken()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("a file in the way")
    fit(learnable, tmp_path / "run", epochs=1, batch=12, tracker=("tensorboard",), ui=ui)
    assert said.getvalue().count("warning") == 1
    assert "tensorboard cannot be opened" in said.getvalue()
