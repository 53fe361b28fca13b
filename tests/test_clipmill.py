"""The front door: verbs, their shared options, what it imports, and how it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

import clipmill
from manifests.dataset import Dataset

REPO = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "numpy", "pyarrow", "webdataset", "av", "rich.progress", "PIL", "joblib")
COMMAND = get_command(clipmill.cli)


def verbs(command=COMMAND, path=()):
    """Every verb that runs, with the names that lead to it."""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from verbs(child, (*path, name))
        else:
            yield (*path, name), child


ALL = dict(verbs())


def test_help_lists_the_verbs(cli):
    done = cli("--help", NO_COLOR="1")
    assert done.returncode == 0
    for name in COMMAND.commands:
        assert f" {name} " in done.stdout
    assert {"annotate", "download", "decode", "pack", "build", "status", "verify"} <= set(
        COMMAND.commands
    )
    assert {"train", "score", "predict"} <= set(COMMAND.commands)
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["annotate", "folder", "-h"]])
def test_help_imports_nothing_heavy(words):
    code = (
        "import atexit, sys, json; sys.path.insert(0, sys.argv.pop(1));"
        f"atexit.register(lambda: print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]),"
        "file=sys.stderr)); import clipmill; clipmill.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPO), *words], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0
    assert json.loads(done.stderr) == []
    assert "Usage" in done.stdout


@pytest.mark.parametrize("path", ALL, ids="-".join)
def test_every_verb_has_the_shared_options(path):
    options = {name: set(option.opts) for option in ALL[path].params for name in [option.name]}
    expected = {"json": {"--json"}, "quiet": {"-q", "--quiet"}, "verbose": {"-v", "--verbose"}}
    for name in expected:
        assert options[name] == expected[name]
    assert ALL[path].help, "every verb says what it does"
    assert all(getattr(option, "help", None) for option in ALL[path].params), "and every option"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["trian"], "No such command 'trian'"),
        (["status"], "Missing option '--root'"),
        (["status", "--root", "x", "--jsn"], "No such option"),
        (["predict", "--checkpoint", "x"], "Missing argument"),
    ],
)
def test_what_typer_refuses(cli, words, found):
    done = cli(*words, NO_COLOR="1", CLIPMILL_ROOT="" if words == ["status"] else "x")
    assert done.returncode == 2
    assert found in done.stderr
    assert "Traceback" not in done.stderr


def test_roots_that_are_none(cli, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for root, code, expected in (
        (tmp_path, 2, "holds no dataset.toml; expected a dataset folder. Make one with"),
        (tmp_path / "gone", 2, "holds no dataset.toml; expected a dataset folder. Make one with"),
        ("memory://root", 2, "expected a local folder, or a bucket"),
        (file, (2, 3), "file"),
    ):
        done = cli("status", "--json", "--root", root)
        assert done.returncode in ([code] if isinstance(code, int) else code)
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
        assert json.loads(done.stdout)["exit_code"] == done.returncode
        assert done.stderr.count("\n") == 1


def test_variables_stand_for_options(learnable, cli, tmp_path):
    done = cli("status", "--json", CLIPMILL_ROOT=str(learnable))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    run = tmp_path / "run"
    variables = {
        "ROOT": str(learnable),
        "TRAIN_RUN": str(run),
        "TRAIN_EPOCHS": "1",
        "TRAIN_BATCH": "24",
        "TRAIN_MODEL": "c3d",
        "TRAIN_WIDTH": "4",
        "TRAIN_JSON": "1",
    }
    done = cli(
        "train",
        OMP_NUM_THREADS="1",
        **{f"CLIPMILL_{name}": value for name, value in variables.items()},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 1


def test_no_escape_codes_without_a_terminal_and_no_colours_where_unwanted(learnable, cli):
    done = cli("status", "--root", learnable)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    done = cli("status", "--root", learnable, FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in done.stdout
    assert "\x1b[9" not in done.stdout


def test_it_runs_as_a_module(learnable):
    done = subprocess.run(
        [sys.executable, "-m", "clipmill", "status", "--json", "--root", str(learnable)],
        capture_output=True,
        text=True,
        cwd=REPO,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_verb_ends_it_with_130(learnable, tmp_path, number):
    """Training is held by shards that are pipes which nobody writes to."""
    root = tmp_path / "root"
    (root / "shards").mkdir(parents=True)
    for name in ("dataset.toml", "manifests"):
        (root / name).symlink_to(learnable / name)
    for row in Dataset.open(str(learnable)).parts("shards").to_pylist():
        os.mkfifo(root / "shards" / row["shard"])
    words = [f"--root={root}", f"--run={tmp_path}/run", "--batch=6", "--width=4", "--device=cpu"]
    process = subprocess.Popen(
        [sys.executable, str(REPO / "clipmill.py"), "train", "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 60
    while not (tmp_path / "run" / "recipe.toml").exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    time.sleep(0.2)
    if process.poll() is None:
        process.send_signal(number)  # the second one does not wait for the end of a step
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert json.loads(out)["exit_code"] == 130
    assert "Traceback" not in said
