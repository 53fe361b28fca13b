"""A real visdom server is shown a run whole; one that is away or goes away stops nothing."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from manifests.console import Ui
from train.trackers import sender
from train.trackers.visdom import LINES

OPTIONS = {"batch": 4, "lr": 0.003, "log_steps": 1, "test": True, "tracker": ("visdom",)}
# The server without the download of its page's scripts, which it would begin with.
SERVER = "from visdom.server.run_server import main; main()"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextlib.contextmanager
def serving(port: int, folder: Path) -> Iterator[str]:
    command = [sys.executable, "-c", SERVER, "-port", str(port), "--hostname", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "-bind_local", "-env_path", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 100
        while not sender.Sender(address).reached():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with serving(free_port(), tmp_path_factory.mktemp("visdom")) as address:
        yield address


def windows(address: str, run: Path) -> dict[str, Any]:
    """What the server has of a run, by the names of its windows."""
    body = json.dumps({"eid": "_".join(run.parts[-2:]), "win": None}).encode()
    with urllib.request.urlopen(f"{address}/win_data", body) as answer:
        found = json.load(answer)
    return found if isinstance(found, dict) else json.loads(found)


def curves(window: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    lines = window["content"]["data"]
    return {line["name"]: list(zip(line["x"], line["y"], strict=True)) for line in lines}


def require_shown(address: str, run: Path) -> None:
    """All figures of the run's table are on the server, each once."""
    shown, rows = windows(address, run), pq.read_table(run / "metrics.parquet").to_pylist()
    for title, lines in LINES.items():
        wanted = {
            name: [(row["epoch"], row[key]) for row in rows]
            for name, key in lines.items()
            if any(row[key] is not None for row in rows)
        }
        assert curves(shown[title]) == wanted, title


def spoken() -> tuple[Ui, io.StringIO]:
    said = io.StringIO()
    return Ui(_consoles={"stderr": Console(file=said, width=400, markup=False)}), said


def test_everything_is_shown_and_a_run_that_goes_on_doubles_nothing(
    learnable, fit, server, tmp_path
):
    ui, said = spoken()
    run = tmp_path / "run"
    fit(learnable, run, epochs=1, visdom=server, **OPTIONS)
    last = (run / "last.safetensors").read_bytes()
    fit(learnable, run, resume=True, epochs=2, visdom=server, **OPTIONS)
    fit(learnable, run, resume=True, epochs=3, visdom=server, ui=ui, **OPTIONS)
    assert last != (run / "last.safetensors").read_bytes()
    assert f"visdom: {server}/env/{run.parent.name}_run" in said.getvalue()
    assert "warning" not in said.getvalue()
    require_shown(server, run)
    shown = windows(server, run)
    losses = curves(shown["loss of a step"])["train"]
    assert [epoch for epoch, _ in losses] == pytest.approx([step / 6 for step in range(1, 19)])
    for split in ("train", "val", "test"):
        (heat,) = shown[f"confusion of {split}"]["content"]["data"]
        assert heat["type"] == "heatmap"
        assert heat["x"] == heat["y"] == ["red", "green", "blue"]
        assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in heat["z"])
    assert shown["worst errors of val"]["content"]["src"].startswith("data:image/png;base64,iVBOR")


def test_a_server_that_is_away_is_warned_of_once_and_shown_all_when_it_comes(
    learnable, fit, tmp_path, monkeypatch
):
    monkeypatch.setattr(sender, "AGAIN_S", 0.05)
    port, run = free_port(), tmp_path / "run"
    address = f"http://127.0.0.1:{port}"
    ui, said = spoken()
    fit(learnable, run, epochs=2, visdom=address, ui=ui, **OPTIONS)
    assert said.getvalue().count("warning") == 1
    assert f"no visdom server at {address}" in said.getvalue()
    assert "pip install 'clipmill[visdom]'" in said.getvalue()
    assert pq.read_table(run / "metrics.parquet").num_rows == 2
    with serving(port, tmp_path):
        fit(learnable, run, resume=True, epochs=3, visdom=address, **OPTIONS)
        require_shown(address, run)


def test_a_server_that_goes_away_is_warned_of_once(learnable, fit, tmp_path, monkeypatch):
    from train import loop

    monkeypatch.setattr(sender, "AGAIN_S", 0.05)
    ui, said = spoken()
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(free_port(), tmp_path))
        real = loop._conclude

        def conclude(session, epoch, *more):
            if epoch == 1:
                stack.close()  # killed between two epochs
            real(session, epoch, *more)
            until = time.monotonic() + 20
            while epoch == 1 and "warning" not in said.getvalue():
                assert time.monotonic() < until
                session.trackers.step(session.curve)
                time.sleep(0.01)

        monkeypatch.setattr(loop, "_conclude", conclude)
        result = fit(learnable, tmp_path / "run", epochs=4, visdom=address, ui=ui, **OPTIONS)
    assert result["epoch"] == 4
    assert said.getvalue().count("warning") == 1
    assert "visdom cannot be told how the run goes" in said.getvalue()


def test_of_many_states_of_a_window_the_newest_is_sent(server):
    post = sender.Sender(server)
    for number in range(200):
        content = [{"type": "text", "content": str(number)}]
        post.put({"data": content, "layout": {}, "opts": {}, "win": "count", "eid": "states"})
    post.close()
    assert windows(server, Path("states"))["count"]["content"] == "199"


def test_an_answer_that_is_no_success_is_trouble(server):
    assert sender.Sender(server).reached()
    wrong = sender.Sender(server + "/nowhere")
    assert not wrong.reached()
    assert "it answers" in wrong.trouble
