"""The funnel: every clip counts once, failures have reasons, and the next command is named."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from pipeline.reporting.show import FUNNEL
from pipeline.status import show, status


def counts(report: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the columns of the funnel of each split."""
    return {name: {x: one[x] for x in FUNNEL} for name, one in report["splits"].items()}


def test_a_finished_root(built: Path) -> None:
    report = status(Dataset.open(str(built)), None)
    assert counts(report) == {
        "train": {"asked": 8, "acquired": 7, "packed": 6, "pending": 0, "failed": 2, "gone": 0},
        "val": {"asked": 1, "acquired": 1, "packed": 1, "pending": 0, "failed": 0, "gone": 0},
        "test": {"asked": 3, "acquired": 3, "packed": 3, "pending": 0, "failed": 0, "gone": 0},
    }
    assert report["splits"]["train"]["reasons"] == {
        "failed": {"missing": 1, "outside_span": 1},
        "gone": {},
    }
    assert sum(counts["asked"] for counts in report["classes"].values()) == 12
    assert {(f["stage"], f["reason"], f["clips"]) for f in report["failures"]} == {
        ("download", "missing", 1),
        ("pack", "outside_span", 1),
    }
    assert all(f["meaning"] and f["message"] for f in report["failures"])
    assert report["next"] == (
        f"clipmill train --root {built} --run runs/twelve --width 16 --frames 4 --epochs 40 "
        "--optimizer adamw --lr 1e-3 --schedule cosine"
    )
    assert report["retry"] == f"clipmill build --root {built} --retry failed"
    show(report, Ui())


def test_on_the_way(
    tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    dataset = annotated(tmp_path)
    report = status(dataset, None)
    assert counts(report)["train"] == dict.fromkeys(FUNNEL, 0) | {"asked": 8, "pending": 8}
    assert report["next"].startswith("clipmill build")
    assert run_stages(tmp_path, "download", "pack", dry_run=True)["dry_run"]
    assert status(dataset, None) == report, "--dry-run changes nothing"
    run_stages(tmp_path, "download")
    report = status(dataset, None)
    expected = {"asked": 8, "acquired": 7, "packed": 0, "pending": 7, "failed": 1, "gone": 0}
    assert counts(report)["train"] == expected


def test_hints_can_be_pasted(tmp_path: Path, built: Path) -> None:
    root = Path(shutil.copytree(built, tmp_path / "sp ace"))
    report = status(Dataset.open(str(root)), None)
    assert shlex.split(report["next"])[:4] == ["clipmill", "train", "--root", str(root)]
    for table in ("pack", "samples"):
        shutil.rmtree(root / "manifests" / table)
    report = status(Dataset.open(str(root)), None)
    assert shlex.split(report["next"]) == ["clipmill", "pack", "--root", str(root)]
    assert report["retry"] == ""


def test_where_no_video_is_found_trying_again_is_the_next_step(
    tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    annotated(tmp_path)
    path = tmp_path / "dataset.toml"
    path.write_text(re.sub(r"(?m)^videos = .*$", 'videos = "/nowhere"', path.read_text()))
    run_stages(tmp_path, "download", "pack")
    report = status(Dataset.open(str(tmp_path)), None)
    assert report["next"] == f"clipmill build --root {tmp_path} --retry failed"


def test_an_edited_spec_is_refused_by_status_and_by_every_stage(
    tmp_path: Path, built: Path, run_stages: Callable[..., Any]
) -> None:
    root = Path(shutil.copytree(built, tmp_path / "root"))
    path = root / "dataset.toml"
    path.write_text(path.read_text().replace("frames = 4", "frames = 6"))
    dataset = Dataset.open(str(root))
    for run in (lambda: status(dataset, None), lambda: run_stages(root, "pack", retry="failed")):
        with pytest.raises(ClipmillError, match=rf"packed with .*says {dataset.spec.digest}\. Put"):
            run()
    assert len([*(root / "manifests" / "plans").glob("pack-*")]) == 1


def test_all_classes_where_they_are_asked_for(built: Path, cli: Callable[..., Any]) -> None:
    short, whole = (cli("status", "--root", built, *words) for words in ((), ("--classes",)))
    assert short.returncode == whole.returncode == 0, whole.stderr
    assert "the worst others" in short.stdout and "the worst others" not in whole.stdout
    title, _, table = whole.stdout.partition("classes, the worst covered first")
    assert title and table.index("jump") < table.index("run"), "4 of 5 are packed, 6 of 7"
    assert all(column in table for column in ("acquired", "packed", "pending", "failed", "gone"))


def test_the_keys_of_the_report_never_change(
    tmp_path: Path, built: Path, annotated: Callable[..., Dataset]
) -> None:
    def shape(report: dict[str, Any]) -> dict[str, Any]:
        one = report["splits"]["train"]
        other = next(iter(report["classes"].values()))
        return {"": [*report], "split": [*one], "class": [*other], "by": [*report["acquired"]]}

    new = status(annotated(tmp_path), None)
    assert shape(new) == shape(status(Dataset.open(str(built)), None))
    assert json.loads(json.dumps(new)) == new
