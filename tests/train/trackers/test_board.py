"""TensorBoard's event files, read back: every point once, also of runs that were killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from train.trackers import pictures

REPO = Path(__file__).resolve().parents[3]
OPTIONS = {"batch": 4, "epochs": 3, "log_steps": 2, "lr": 0.003, "seed": 1, "width": 4}
BOARD = {"tracker": ("tensorboard",)}


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0})
    return found.Reload()


def scalars(found: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    tags = found.Tags()
    points = {
        tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags["scalars"]
    }
    for tag in tags["tensors"]:
        points[tag] = [
            (event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
            for event in found.Tensors(tag)
        ]
    return points


def untimed(points: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    return {tag: of for tag, of in points.items() if not tag.startswith(("speed", "memory"))}


@pytest.fixture(scope="module")
def undisturbed(learnable, fit, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board") / "run"
    fit(learnable, folder, **OPTIONS, **BOARD)
    return folder


def test_every_figure_of_the_table_is_a_curve(undisturbed):
    points = scalars(events(undisturbed))
    rows = pq.read_table(undisturbed / "metrics.parquet").to_pylist()
    for split in ("train", "val"):
        for name in ("loss", "top1", "top5", "mean_recall"):
            wanted = [(row["clips"], row[f"{split}_{name}"]) for row in rows]
            np.testing.assert_allclose(points[f"{name}/{split}"], wanted, rtol=1e-6)
    for tag, name in {
        "learning rate": "lr",
        "speed/clips per s": "clips_per_s",
        "speed/share of time waiting for data": "waiting",
        "memory/process MB": "memory_mb",
    }.items():
        np.testing.assert_allclose(points[tag], [(x["clips"], x[name]) for x in rows], rtol=1e-6)
    assert [clips for clips, _ in points["loss/of a step"]] == [
        *(4, 8, 16, 24),  # an epoch's first step, and every second
        *(28, 32, 40, 48),
        *(52, 56, 64, 72),
    ]


def test_pictures_can_be_looked_at(undisturbed):
    found = events(undisturbed)
    tags = set(found.Tags()["images"])
    assert {"confusion/train", "confusion/val"} <= tags
    assert [image.step for image in found.Images("confusion/val")] == [24, 48, 72]
    pixels = pictures.pixels(found.Images("confusion/val")[0].encoded_image_string)
    assert pixels.shape[2] == 3
    assert np.ptp(pixels) == 255
    worst = found.Images("worst errors/val")[0]
    assert worst.width >= pictures.LEAST_WIDTH
    assert worst.step == 24
    assert "worst errors/test" not in tags


def test_a_run_that_goes_on_has_every_point_once(learnable, fit, undisturbed, tmp_path):
    folder = tmp_path / "run"
    fit(learnable, folder, **(OPTIONS | {"epochs": 1}), **BOARD)
    last = (folder / "last.safetensors").read_bytes()
    fit(learnable, folder, resume=True, **(OPTIONS | {"epochs": 2}), **BOARD)
    (folder / "last.safetensors").write_bytes(last)  # as if killed before it was replaced
    fit(learnable, folder, resume=True, **OPTIONS, **BOARD)
    assert untimed(scalars(events(folder))) == untimed(scalars(events(undisturbed)))


def test_killed_at_any_moment(learnable, fit, undisturbed, tmp_path):
    folder = tmp_path / "run"
    options = OPTIONS | {"epochs": 40, "save_minutes": 0.0}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, str(REPO / "clipmill.py"), "train", "--device=cpu", *words]
    process = subprocess.Popen(
        [*command, f"--root={learnable}", f"--run={folder}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 100
    while not (folder / "last.safetensors").exists():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(1.0)  # files are told apart by the second; no process starts within one
    table = folder / "metrics.parquet"
    done = pq.read_table(table).num_rows if table.exists() else 0
    again = options | {"epochs": max(3, done)}
    fit(learnable, folder, resume=True, **again, **BOARD)
    found, wanted = scalars(events(folder)), scalars(events(undisturbed))
    for tag in untimed(wanted):
        steps = [step for step, _ in found[tag]]
        assert steps == sorted(set(steps)), tag
        assert steps[: len(wanted[tag])] == [step for step, _ in wanted[tag]], tag
