"""The object store that doctor tries is a real one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.storage import open_storage
from pipeline.doctoring.finding import Patient
from pipeline.doctoring.folder import disk, file_system
from tests.objectstore import serving


def test_a_store_that_works_one_without_its_bucket_and_one_that_is_away(
    patient: Callable[..., Patient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "scratch") as store:
        for name, value in store.environment(CLIPMILL_STORE_PATIENCE="0.5").items():
            monkeypatch.setenv(name, value)
        found = file_system(patient(root="s3://bucket/x"))
        assert (found.level, found.cure) == ("ok", "")
        assert not open_storage("s3://bucket").holds(".")
        found = file_system(patient(root="s3://no-bucket/x"))
        assert found.level == "fail" and "does not exist" in found.found
    found = file_system(patient(root="s3://bucket/x"))
    assert found.level == "fail" and "cannot be reached" in found.found


def test_the_scratch_folder_is_held_against_the_disk(
    patient: Callable[..., Patient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "scratch"))
    for bound, level in (("0.001", "ok"), ("900000000", "warn"), ("none", "fail")):
        monkeypatch.setenv("CLIPMILL_SCRATCH_GB", bound)
        assert disk(patient(root="s3://bucket/x")).level == level
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", "1")
    assert disk(patient(root="s3://bucket/x", keep_free=1 << 60)).level == "fail"
