import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from manifests.console import Ui
from manifests.errors import ClipmillError
from pipeline.demonstrating import demo, demo_videos

STUB = """
import json, os, pathlib, signal, sys, time
log = pathlib.Path(os.environ["STUB_LOG"])
log.write_text((log.read_text() if log.exists() else "") + json.dumps(sys.argv[1:]) + "\\n")
verb, arguments = sys.argv[1], sys.argv[2:]
if verb == os.environ.get("STUB_FAILS"):
    sys.exit(int(os.environ["STUB_CODE"]))
if verb == "score":
    out = pathlib.Path(arguments[arguments.index("--out") + 1])
    out.mkdir(exist_ok=True)
    (out / "metrics.json").write_text(json.dumps({"top1": 0.98}))
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Every verb is a script that notes its arguments; videos are not made."""
    path, log = tmp_path / "stub.py", tmp_path / "log"
    path.write_text(STUB)
    monkeypatch.setenv("STUB_LOG", str(log))
    monkeypatch.setattr(demo, "_clipmill", lambda: [sys.executable, str(path)])
    monkeypatch.setattr(demo_videos, "make", lambda folder, clips, seed, ui: 0)
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_the_verbs_run_in_order_as_they_are_shown(stub, tmp_path, capfd):
    ui = Ui()
    demo.run(tmp_path / "out", 10, ui)
    assert [line[0] for line in stub()] == [
        *("annotate", "pack", "status", "train", "score", "predict")
    ]
    assert stub() == demo.steps(tmp_path / "out")
    shown = capfd.readouterr()
    for line in stub():
        assert f"$ clipmill {line[0]} " in shown.err
    assert ui.result["top1"] == 0.98
    assert "98.0%" in shown.out
    assert "clipmill annotate folder --videos DIR" in shown.err


def test_every_command_line_is_one_that_the_verbs_understand(tmp_path):
    import clipmill

    command = typer.main.get_command(clipmill.cli)
    for arguments in demo.steps(tmp_path):
        verb, words = command, list(arguments)
        while hasattr(verb, "commands"):
            verb = verb.commands[words.pop(0)]
        verb.make_context(verb.name, words)


def test_a_second_run_is_the_same_and_another_size_is_refused(stub, tmp_path):
    for _ in range(2):
        demo.run(tmp_path / "out", 10, Ui(quiet=True))
    lines = stub()
    assert lines[:6] == lines[6:]
    assert all(line[-1] == "-q" for line in lines)
    with pytest.raises(ClipmillError, match=r"--clips 10, not 20.*another --out"):
        demo.run(tmp_path / "out", 20, Ui(quiet=True))


@pytest.mark.parametrize(("code", "ends"), [(2, 2), (3, 3), (-9, 3)])
def test_a_failing_step_ends_the_demo_with_its_code_and_the_cure(
    stub, tmp_path, monkeypatch, code, ends
):
    monkeypatch.setenv("STUB_FAILS", "pack")
    monkeypatch.setenv("STUB_CODE", str(code))
    if code < 0:
        text = STUB.replace('sys.exit(int(os.environ["STUB_CODE"]))', "os.kill(os.getpid(), 9)")
        (tmp_path / "stub.py").write_text(text)
    with pytest.raises(ClipmillError, match=r"`clipmill pack .*clipmill demo --out") as caught:
        demo.run(tmp_path / "out", 10, Ui(quiet=True))
    assert caught.value.exit_code == ends
    assert [line[0] for line in stub()] == ["annotate", "pack"]


def test_an_interrupted_verb_interrupts_the_demo(stub, tmp_path, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", "train")
    monkeypatch.setenv("STUB_CODE", "130")
    with pytest.raises(KeyboardInterrupt):
        demo.run(tmp_path / "out", 10, Ui(quiet=True))


def test_an_interruption_reaches_the_verb_once_and_waits_for_it(tmp_path):
    verb = (
        "import signal, sys, time\n"
        "asked = []\n"
        "signal.signal(signal.SIGINT, lambda *_: asked.append(1))\n"
        "print('ready', flush=True)\n"
        "while not asked: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        f"open({str(tmp_path / 'saved')!r}, 'w').write(str(len(asked)))\n"
    )
    parent = (
        "import signal, subprocess, sys\n"
        "from pipeline.demonstrating import demo\n"
        f"process = subprocess.Popen([sys.executable, '-c', {verb!r}], process_group=0)\n"
        "try: demo._wait(process)\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=Path(__file__).resolve().parents[3],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert (tmp_path / "saved").read_text() == "1"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_road_twice_with_few_videos(tmp_path):
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, str(root / "clipmill.py"), "demo", "--out", "out", "--clips", "10"]
    environment = {**os.environ, "NO_COLOR": "1"}
    for made in (80, 0):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"{made} videos made" in done.stderr
    out = tmp_path / "out"
    for path in ("score/confusion.png", "predict/v_OrbitClockwise_g01_c01.mp4"):
        assert (out / path).stat().st_size > 1000
    assert 0 <= json.loads((out / "score" / "metrics.json").read_text())["top1"] <= 1
    with (out / "run" / "metrics.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == int(
            demo.TRAINING.split("--epochs ")[1].split()[0]
        )
