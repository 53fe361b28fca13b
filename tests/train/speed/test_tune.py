"""Switches are tried one after the other; what gains little or is lost is not taken."""

import dataclasses
import io
import json

import pytest
import torch
from rich.console import Console

from manifests.console import Ui
from manifests.errors import ClipmillError
from model import checkpoint
from model.world import World
from train.options import Options
from train.speed import tune
from train.speed.ways import Ways

ALONE = World(0, 1, torch.device("cpu"))
GPU = torch.device("cuda")
RUN = {"epochs": 1, "batch": 12, "lr": 1e-3}


def timed(seconds, options=None):
    return tune.tune(Ways(), options or Options(), seconds, ALONE, Ui(quiet=True))


def test_the_fastest_is_built_up_switch_by_switch():
    def seconds(ways):
        return 1.0 - 0.3 * ways.fused - 0.2 * (not ways.channels_last) - 0.009 * ways.padded

    found = timed(seconds)
    assert tune.best(found).ways == Ways(fused=True, channels_last=False)
    assert [one.what for one in found] == ["usual", "channels_last off", "fused on", "padded on"]
    assert found[-1].ways == Ways(fused=True, channels_last=False, padded=True)


def test_no_memory_is_a_candidate_lost(capsys):
    def seconds(ways):
        if ways.fused:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate much")
        return 1.0

    found = timed(seconds)
    assert tune.best(found).ways == Ways()
    [lost] = [one for one in found if one.seconds is None]
    assert lost.what == "fused on" and lost.why == "OutOfMemoryError: CUDA out of memory."
    tune.show(found, 4, Ui())
    said = capsys.readouterr().out
    assert "CUDA out of memory" in said and said.count("kept") == 1


def test_what_was_usual_stays_where_all_are_lost():
    def seconds(ways):
        raise RuntimeError("")

    assert tune.best(timed(seconds)).ways == Ways()


def test_what_is_tried_where():
    def names(device, **options):
        return [name for name, _ in tune.switches(Options(**options), device)]

    assert names(ALONE.device) == ["channels_last", "fused", "padded"]
    assert names(ALONE.device, compile=True)[-1] == "compiled"
    assert names(GPU)[0] == "precision" and "searched" in names(GPU) and "compiled" in names(GPU)
    assert "precision" not in names(GPU, precision="fp16")
    assert "compiled" not in names(GPU, recompute=True)
    first = tune.switches(Options(), GPU)[0][1]
    assert first(Ways("bf16")).precision == "fp32" and first(Ways()).precision == "bf16"


def test_a_run_that_was_timed_is_the_run_that_was_not(
    learnable, fit, same_weights, tmp_path, monkeypatch
):
    options = RUN | {"dropout": 0.3}
    fit(learnable, tmp_path / "plain", **options)
    monkeypatch.setattr(tune, "MARGIN", 0.999999)
    fit(learnable, tmp_path / "timed", tune=True, **options)
    same_weights(tmp_path / "plain" / "last.safetensors", tmp_path / "timed" / "last.safetensors")
    record = json.loads((tmp_path / "timed" / "tune.json").read_text())
    assert record["chosen"] == Ways().as_dict() and record["clips"] == 12
    assert len(record["timed"]) == 4 and all(one["seconds"] > 0 for one in record["timed"])


def test_the_choice_holds_for_as_long_as_the_run(
    learnable, fit, same_weights, tmp_path, monkeypatch
):
    choice = Ways(channels_last=False, fused=True, padded=True)
    monkeypatch.setattr(
        "train.speed.trial.Trial.seconds",
        lambda _, ways: (
            1.0
            - sum(0.1 for name, value in choice.as_dict().items() if getattr(ways, name) == value)
        ),
    )
    options = RUN | {"ema": 0.9}
    fit(learnable, tmp_path / "run", tune=True, **options)
    weights = checkpoint.load(tmp_path / "run" / "last.safetensors")
    plain = weights.build_model().state_dict()
    assert {key: x.shape for key, x in plain.items()} == {
        key: x.shape for key, x in weights.weights.items()
    }
    monkeypatch.setattr("train.speed.trial.Trial.seconds", lambda *_: pytest.fail("timed again"))
    fit(learnable, tmp_path / "run", resume=True, **options | {"epochs": 2})
    monkeypatch.setattr("train.speed.chosen.usual", lambda *_: choice)
    fit(learnable, tmp_path / "other", **options | {"epochs": 2})
    same_weights(tmp_path / "run" / "last.safetensors", tmp_path / "other" / "last.safetensors")


def test_a_choice_of_another_device_or_none_at_all(learnable, fit, tmp_path):
    fit(learnable, tmp_path, **RUN)
    path = tmp_path / "tune.json"
    chosen = dataclasses.replace(Ways(), precision="bf16").as_dict()
    path.write_text(json.dumps({"device": "cuda NVIDIA H200", "chosen": chosen}))
    out = io.StringIO()
    ui = Ui(_consoles={"stderr": Console(file=out, width=200)})
    fit(learnable, tmp_path, resume=True, ui=ui, **RUN)
    assert "tune.json was measured on cuda NVIDIA H200; going on in the usual way" in out.getvalue()
    for text, said in (("{}", "does not tell in what way"), ("{", "is no valid JSON")):
        path.write_text(text)
        with pytest.raises(ClipmillError, match=said):
            fit(learnable, tmp_path, resume=True, **RUN)
