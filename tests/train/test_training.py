"""Every command of docs/training.md runs as it stands, on two CPU processes in place of GPUs.

`torchrun` and `clipmill` are put before the real ones on PATH and change numbers alone: as many
machines and processes as there are here, and a network of width 4. Slurm is played by two scripts.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model import checkpoint

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs/training.md").read_text()
BLOCKS = dict(re.findall(r"^## ([^\n]*)\n.*?^```sh\n(.*?)^```$", PAGE, re.M | re.S))
TORCHRUN = """#!/bin/bash
words=()
for word in "$@"; do
  case "$before" in --nnodes) word=1;; --nproc-per-node) word=2;; esac
  case "$word" in *:29400) word=127.0.0.1:0;; esac
  words+=("$word"); before="$word"
done
exec {python} -m torch.distributed.run "${{words[@]}}"
"""
CLIPMILL = """#!/bin/bash
exec {python} {repo}/clipmill.py "$@" --device cpu {options}
"""
OPTIONS = "--width 4 --batch 6 --epochs ${EPOCHS:-1} --lanes 2"
SRUN = '#!/bin/bash\nexec "$@"\n'
SCONTROL = """#!/bin/bash
case "$1" in show) echo node1;; requeue) echo "$2" > requeued;; esac
"""


@pytest.fixture
def place(tmp_path: Path, learnable: Path) -> Path:
    """A folder with data/mine, and the commands of the page in bin/."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(learnable)
    (tmp_path / "bin").mkdir()
    python = sys.executable
    commands = {
        "torchrun": TORCHRUN.format(python=python),
        "clipmill": CLIPMILL.format(python=python, repo=REPO, options=OPTIONS),
        "srun": SRUN,
        "scontrol": SCONTROL,
    }
    for name, text in commands.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def started(place: Path, title: str, **environment: str) -> subprocess.Popen[str]:
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": path, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(
        # A shell cannot trap what its parent ignores.
        ["env", "--default-signal=USR1", "bash", "-c", BLOCKS[title]],
        cwd=place,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def reached(place: Path) -> tuple[int, int]:
    state = checkpoint.load(place / "runs/mine/last.safetensors").state
    return state["stream"]["epoch"], state["stream"]["step"]


def test_the_page_names_these_ways() -> None:
    assert {"One machine", "Many machines", "Slurm", "What is kept"} == BLOCKS.keys()
    assert PAGE.count("```sh") == len(BLOCKS)


def test_many_machines_then_going_on_alone(place: Path) -> None:
    process = started(place, "Many machines")
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "nothing to resume" in said
    assert reached(place) == (1, 0)
    for epoch, title in ((2, "One machine"), (3, "What is kept")):
        process = started(place, title, EPOCHS=str(epoch))
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
        assert f"at epoch {epoch}, step 0" in said
        assert reached(place) == (epoch, 0)


def test_slurm_ends_the_job_and_it_goes_on(place: Path) -> None:
    """USR1 to the script: it is queued again, all get SIGTERM, the run saves; then the same."""
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "1", "SLURM_JOB_NODELIST": "node1"}
    slurm |= {"EPOCHS": "2000"}
    process = started(place, "Slurm", **slurm)
    last, until = place / "runs/mine/last.safetensors", time.monotonic() + 150
    while not last.exists():
        assert time.monotonic() < until and process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGUSR1)
    while not (place / "requeued").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (place / "requeued").read_text() == "7\n"
    os.killpg(process.pid, signal.SIGTERM)  # as Slurm then does
    _, said = process.communicate(timeout=100)
    assert "interrupted; what was finished is kept" in said
    epoch, _ = reached(place)
    process = started(place, "Slurm", **(slurm | {"EPOCHS": str(epoch + 1)}))
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert f"at epoch {epoch + 1}, step " in said
    assert reached(place) == (epoch + 1, 0)
