"""What stands on the terminal while an epoch runs."""

import io
import re

from rich.console import Console

from manifests import progress
from manifests.console import Ui
from model import checkpoint


def shown(learnable, fit, folder, width: int, terminal: bool, **options) -> str:
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, width=width, height=24)
    ui = Ui(_consoles={"stderr": console, "stdout": console})
    fit(learnable, folder, ui=ui, **({"batch": 4, "epochs": 3, "log_steps": 1} | options))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.getvalue())


def test_eighty_columns_hold_all_there_is_to_say(learnable, fit, tmp_path):
    said = shown(learnable, fit, tmp_path / "run", 80, terminal=True)
    lines = re.split(r"[\r\n]+", said)
    under = [line.rstrip() for line in lines if line.startswith("  loss")]
    of = r"  loss \d+\.\d{3}, top-1 \d+\.\d%, \d+\.\d% waiting for data, \d+s left of the run"
    assert under
    assert [line for line in under if not re.fullmatch(of, line)] == []
    bars = [line.rstrip() for line in lines if line.startswith("epoch 2/3 ")]
    assert any("24/24" in line and "clips/s" in line for line in bars)
    epochs = [line for line in lines if line.startswith("epoch ") and "━" not in line]
    assert len(epochs) == 3
    assert max(len(line) for line in lines if line not in epochs) <= 80


def test_a_line_a_minute_without_a_terminal(learnable, fit, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    said = shown(learnable, fit, tmp_path / "run", 200, terminal=False, epochs=1, log_steps=2)
    lines = [line for line in said.splitlines() if line.startswith("epoch 1/1: ")]
    assert re.match(r"epoch 1/1: 4/24, \d+\.\d clips/s, \d+s left$", lines[0])
    assert re.match(r"epoch 1/1: 8/24, .* loss \d+\.\d+, top-1 \d+\.\d%, ", lines[2])
    assert "24/24" in lines[-1]


def test_of_an_epoch_that_goes_on_the_rate_counts_only_what_is_new(learnable, fit, tmp_path):
    fit(learnable, tmp_path / "run", batch=4, epochs=1)
    said = shown(learnable, fit, tmp_path / "run", 200, False, resume=True, epochs=2)
    assert "resuming" in said
    assert said.count("epoch 2/2") == 1


def test_an_epoch_of_few_steps_has_its_loss_too(learnable, fit, tmp_path):
    few = {"batch": 12, "log_steps": 10}  # two steps an epoch
    said = shown(learnable, fit, tmp_path / "run", 80, terminal=True, **few)
    assert re.search(r"\n  loss \d+\.\d{3}, top-1 ", said)
    state = checkpoint.load(tmp_path / "run" / "last.safetensors").state
    assert state is not None
    assert state["curve"]["points"][:, 0].tolist() == [12, 24, 36, 48, 60, 72]
