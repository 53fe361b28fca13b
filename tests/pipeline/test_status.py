"""The funnel: every clip counts once, failures have reasons, and the next command is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline.status import show, status


def test_a_finished_root(built: Path) -> None:
    report = status(Dataset.open(str(built)), None)
    assert report["splits"] == {
        "train": {"asked": 8, "acquired": 7, "packed": 6, "failed": 2},
        "val": {"asked": 1, "acquired": 1, "packed": 1},
        "test": {"asked": 3, "acquired": 3, "packed": 3},
    }
    assert sum(counts["asked"] for counts in report["classes"].values()) == 12
    assert {(f["stage"], f["reason"], f["clips"]) for f in report["failures"]} == {
        ("download", "missing", 1),
        ("pack", "outside_span", 1),
    }
    assert all(f["meaning"] and f["message"] for f in report["failures"])
    assert report["next"].startswith("clipmill train")
    show(report, Ui())


def test_on_the_way(
    tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    dataset = annotated(tmp_path)
    report = status(dataset, None)
    assert report["splits"]["train"] == {"asked": 8, "pending": 8}
    assert report["next"].startswith("clipmill build")
    assert run_stages(tmp_path, "download", "pack", dry_run=True)["dry_run"]
    assert status(dataset, None) == report, "--dry-run changes nothing"
    run_stages(tmp_path, "download")
    report = status(dataset, None)
    assert report["splits"]["train"] == {"asked": 8, "acquired": 7, "pending": 7, "failed": 1}
