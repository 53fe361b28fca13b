"""Each row of docs/seed-table.md is one command that trains and scores, as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs/seed-table.md").read_text()
ROWS = re.findall(r"^\| (\w+, \w+) \| ([\d.]+)% \| \w+ \| `([^`]*)` \|$", PAGE, re.M)
# So that a row takes seconds, on a root that is neither of the two data sets.
SHORTER = "--epochs 1 --width 4 --device cpu "


def test_all_that_was_published_has_a_row() -> None:
    assert [(row, float(theirs)) for row, theirs, _ in ROWS] == [
        ("UCF101, R2Plus1D", 63.60),
        ("UCF101, C3D", 51.63),
        ("HMDB51, R2Plus1D", 24.97),
        ("HMDB51, C3D", 25.10),
    ]


@pytest.mark.parametrize(("row", "theirs", "command"), ROWS, ids=[row for row, *_ in ROWS])
def test_a_row_runs(learnable: Path, tmp_path: Path, row: str, theirs: str, command: str) -> None:
    data, network = row.lower().split(", ")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / data).symlink_to(learnable)
    door = tmp_path / "clipmill"
    door.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{REPO / "clipmill.py"}" "$@"\n')
    door.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euc", command.replace("--recipe", SHORTER + "--recipe")],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / f"runs/{data}-{network}/score/metrics.json").read_text())
    assert found["network"] == network
    assert found["clips"] == 9
