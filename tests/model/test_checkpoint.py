"""Checkpoints: everything comes back, kills lose nothing, foreign files are told apart."""

import dataclasses
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

import model
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from model.checkpoint import Checkpoint, load, save
from model.preprocess import MEAN, STD

LABELS = ("Apply Eye Makeup", "naïve \N{SNOWMAN}", 'quote " and \\')


def checkpoint(name="c3d", state=None, **changes):
    torch.manual_seed(0)
    network = model.build(name, 3, width=4)
    fields = {
        "network": network.spec,
        "spec": ClipSpec(rate=2),
        "window": Window(16, 112, 112),
        "mean": MEAN,
        "std": STD,
        "labels": LABELS,
        "weights": network.state_dict(),
        "dataset": "ucf101",
        "dataset_digest": "0123456789abcdef",
        "metrics": {"epoch": 3, "top1": 0.5},
        "state": state,
    }
    return Checkpoint(**(fields | changes))


@pytest.mark.parametrize("name", model.BUILDERS)
def test_round_trip(tmp_path, name):
    path = tmp_path / "best.safetensors"
    state = {"step": 7, "moments": {0: torch.rand(3).bfloat16()}}
    saved = checkpoint(name, state)
    save(path, saved)
    loaded = load(path)
    for field in dataclasses.fields(Checkpoint):
        if field.name not in ("weights", "state", "origin"):
            assert getattr(loaded, field.name) == getattr(saved, field.name), field.name
    assert loaded.origin == str(path)
    assert {"torch", "clipmill", "python"} <= set(loaded.versions)
    assert loaded.state["step"] == 7
    assert torch.equal(loaded.state["moments"][0], state["moments"][0])
    assert load(path, with_state=False).state is None

    network = loaded.build_model()
    assert not network.training
    assert network.spec == saved.network
    assert set(network.state_dict()) == set(saved.weights)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, saved.weights[key]), key
    clips = torch.randn(2, 3, 4, 32, 32)
    original = model.build(name, 3, width=4).eval()
    original.load_state_dict(saved.weights)
    assert torch.equal(network(clips), original(clips))


def test_a_built_model_trains_without_changing_the_checkpoint_or_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, checkpoint())
    loaded = load(path)
    before = path.read_bytes()
    network = loaded.build_model().train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    network(torch.randn(2, 3, 4, 32, 32)).square().sum().backward()
    optimiser.step()
    assert not torch.equal(network.head.weight, loaded.weights["fc.fc8.weight"])
    assert torch.equal(loaded.weights["fc.fc8.weight"], checkpoint().weights["fc.fc8.weight"])
    for tensor in loaded.weights.values():
        tensor.zero_()
    assert path.read_bytes() == before


def test_building_draws_nothing_from_the_callers_random_numbers():
    mine = checkpoint()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    mine.build_model()
    assert torch.equal(torch.rand(3), expected)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    wrapped = {f"module.{key}": tensor for key, tensor in checkpoint().weights.items()}
    save(path, checkpoint(weights=wrapped))
    with pytest.raises(ClipmillError, match=r"a\.safetensors: 44 of 22 .* bare network"):
        load(path).build_model()


def test_labels_and_specs_are_compared_and_both_sides_named():
    mine = checkpoint(origin="best.safetensors")
    mine.require_labels(list(LABELS), "data/")
    mine.require_spec(ClipSpec(rate=2), "data/")
    with pytest.raises(ClipmillError, match=r"best\.safetensors \(3\) .* data/ \(2\): label_id 2"):
        mine.require_labels(LABELS[:2], "data/")
    with pytest.raises(ClipmillError, match="label_id 3 is None against 'more'"):
        mine.require_labels([*LABELS, "more"], "data/")
    with pytest.raises(ClipmillError, match="label_id 0 is 'Apply Eye Makeup' against 'apply"):
        mine.require_labels(["apply eye makeup", *LABELS[1:]], "data/")
    with pytest.raises(ClipmillError, match=r"best\.safetensors .* data/ .*rate 2.0 against 4.0"):
        mine.require_spec(ClipSpec(), "data/")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": LABELS[:2]}, "2 labels, 2 different; .* 3 classes"),
        ({"labels": ("a", "a", "b")}, "3 labels, 2 different"),
        ({"window": Window(33, 112, 112)}, "window of 33 frames of 112x112 does not fit"),
        ({"window": Window(16, 112, 0)}, "not fit into stored clips of 32 frames of 128x128"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(changes, named):
    with pytest.raises(ClipmillError, match=named):
        checkpoint(**changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metrics": {"top1": torch.tensor(1.0)}}, "metrics, options and versions"),
        ({"weights": {"state/0": torch.zeros(1)}}, "`state/` is reserved"),
        ({"state": {"loader": object()}}, r"state\['loader'\] is a builtins.object"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path, changes, named):
    with pytest.raises(ClipmillError, match=named):
        save(tmp_path / "a", checkpoint(**changes))
    assert os.listdir(tmp_path) == []


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['BOMB']}",)


@pytest.mark.parametrize("protocol", [0, 2, 4, "torch", "old torch"])
def test_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch, protocol):
    path, trace = tmp_path / "best.pth", tmp_path / "exploded"
    monkeypatch.setenv("BOMB", str(trace))
    if isinstance(protocol, int):
        path.write_bytes(pickle.dumps(Bomb(), protocol))
    else:
        torch.save({"a": Bomb()}, path, _use_new_zipfile_serialization=protocol == "torch")
    with pytest.raises(ClipmillError) as caught:
        load(path)
    assert protocol == 0 or "pickles are never run" in str(caught.value)
    assert "that `clipmill train` wrote" in str(caught.value) or protocol == 0
    assert "--init" not in str(caught.value)
    assert not trace.exists()


def test_other_files_are_told_apart(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(ClipmillError, match="no checkpoint at"):
        load(path)
    with pytest.raises(ClipmillError, match="no checkpoint at"):
        load(tmp_path)
    for content in (b"", b"\0" * 8, b"hello", b"\xff" * 64, b"\2" + b"\0" * 7 + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ClipmillError):
            load(path)
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(ClipmillError, match=r"no clipmill checkpoint\. Use .* a run folder"):
        load(path)


def test_another_format_version_names_both_and_the_writer(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("model.checkpoint.FORMAT", 2)
        save(path, checkpoint(versions={"clipmill": "9.9"}))
    with pytest.raises(ClipmillError, match=r"format 2; this clipmill reads 1\..*9\.9"):
        load(path)


def test_damage_is_never_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, checkpoint(state={"step": 1, "moments": torch.rand(50)}))
    whole, generator = path.read_bytes(), random.Random(1)
    for position in generator.sample(range(8 * len(whole)), 60):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ClipmillError):
            load(path)
    for _ in range(30):
        path.write_bytes(whole[: generator.randrange(len(whole))])
        with pytest.raises(ClipmillError):
            load(path)


SAVER = """
import sys, torch
from pathlib import Path
import model
from manifests.spec import ClipSpec
from manifests.spec import Window
from model.checkpoint import Checkpoint, save

folder = Path(sys.argv[1])
network = model.build("c3d", 2, width=8)
step = int(sys.argv[2])
while True:
    step += 1
    for tensor in network.state_dict().values():
        tensor.fill_(step)
    state = {"step": step, "moments": [torch.full((200_000,), float(step))]}
    save(folder / "last.safetensors", Checkpoint(
        network.spec, ClipSpec(), Window(16, 112, 112), (0, 0, 0), (1, 1, 1), ("a", "b"),
        network.state_dict(), state=state))
    print(step, flush=True)
"""


def test_twenty_kills_while_saving_leave_the_newest_whole_checkpoint(tmp_path):
    generator, root = random.Random(0), Path(model.__file__).parents[1]
    path, step, torn = tmp_path / "last.safetensors", 0, 0
    workers = [_saver(tmp_path / str(i), root) for i in (0, 1)]  # imports overlap the kills
    for round_ in range(20):
        folder = tmp_path / str(round_ % 2)
        path, process = folder / "last.safetensors", workers[round_ % 2]
        reported = int(process.stdout.readline())
        time.sleep(generator.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        reported = max([reported, *map(int, process.stdout.read().split())])
        process.wait()
        torn += any(name.startswith(".tmp") for name in os.listdir(folder))
        found = load(path)
        step = found.state["step"]
        assert step in (reported, reported + 1)  # renamed, but killed before it could report
        assert found.state["moments"][0].eq(step).all()
        assert all(tensor.eq(step).all() for tensor in found.weights.values())
        if round_ < 18:
            workers[round_ % 2] = _saver(folder, root, step)
    assert torn > 0, "no kill fell into a save: the test shows nothing"
    save(path, checkpoint())
    assert os.listdir(path.parent) == ["last.safetensors"]


def _saver(folder, root, step=0):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", SAVER, str(folder), str(step)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
