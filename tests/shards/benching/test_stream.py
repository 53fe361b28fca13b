"""`clipmill bench stream` on a small root: every way, every setting, one report."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.console import Ui
from manifests.errors import ClipmillError
from shards.benching import stream
from shards.benching.setup import setup_of
from shards.benching.ways import MINE, ORDINARY, WAYS, YARDSTICK

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_the_report(learnable: Path, cli: Cli) -> None:
    options = ("--frames", 2, "--crop", "10x12", "--batch", 4, "--workers", 1, "--rounds", 1)
    done = cli("bench", "stream", "--root", learnable, *options, "--seconds", 0.05, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["clips"], report["window"], report["codec"]) == (24, [2, 10, 12, 3], "raw")
    [setting] = report["settings"]
    assert (setting["batch"], setting["workers"]) == (4, 1)
    assert setting["ways"].keys() == set(WAYS) and report["missing"] == {}
    assert setting["ways"][YARDSTICK]["to_memcpy"] == setting["ways"][MINE]["clipmill_to_it"] == 1
    for way in setting["ways"].values():
        assert way["clips_per_s"] > 0 and way["cpu_ms_a_clip"] > 0 and way["kind"] == "uint8"
    waits = report["device"]["waiting"]
    assert waits.keys() == {MINE, ORDINARY}
    for found in waits.values():
        assert found.keys() == {"500", "2000", "4000"}
        assert all(0 <= part <= 1 for part in found.values())


def test_what_people_read(capsys: pytest.CaptureFixture[str]) -> None:
    way = {"clips_per_s": 6500.4, "to_memcpy": 0.81, "cpu_ms_a_clip": 0.11, "clipmill_to_it": 7.25}
    setting = {"batch": 8, "workers": 2, "ways": {MINE: way, "peer": way}}
    waits = {MINE: {"500": 0.001, "2000": 0.0123, "4000": 0.5}}
    report = {
        "clips": 1024,
        "codec": "raw",
        "window": [16, 112, 112, 3],
        "settings": [setting],
        "device": {"batch": 32, "workers": 2, "python_ms": 5.0, "waiting": waits},
        "missing": {"absent": "ImportError: no library"},
    }
    stream.show(report, Ui())
    shown = capsys.readouterr()
    for text in ("batch 8, 2 workers", "6,500", "7.25 x", "2,000 clips/s", "1.2%"):
        assert text in shown.out, text
    assert "1,024 clips, raw, windows of 16x112x112" in shown.err
    assert "absent is missing: ImportError: no library" in shown.err


def test_shards_that_clipmill_cannot_read(tmp_path: Path, make_root: Callable[..., Path]) -> None:
    root = make_root(tmp_path / "root", ("train",))
    for shard in (root / "shards").iterdir():
        shard.write_bytes(shard.read_bytes()[:-512])
    setup = replace(setup_of(str(root), "train", None, 2, (10, 12)), batch=4)
    with pytest.raises(ClipmillError, match=r"clipmill cannot read these shards: .*bytes"):
        stream.compare(setup, [4], [1], 1, 0.02, Ui(quiet=True))
