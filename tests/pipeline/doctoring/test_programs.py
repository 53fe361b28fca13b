"""Programs are looked for on the real PATH, and found lacking on an empty one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.doctoring.finding import Patient
from pipeline.doctoring.programs import ffmpeg, javascript, rar


def test_ffmpeg_is_the_one_that_came_along(patient: Callable[..., Patient]) -> None:
    found = ffmpeg(patient())
    assert found.level == "ok" and Path(found.details["path"]).is_file()


def test_an_ffmpeg_that_is_not_there_fails(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    found = ffmpeg(patient())
    assert found.level == "fail" and "imageio-ffmpeg" in found.cure


def test_without_a_javascript_runtime_youtube_cannot_be_asked(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = javascript(patient())
    assert found.level == "warn" and "YouTube cannot be asked" in found.found
    assert found.details["runtime"] is None and "install" in found.cure


def test_a_runtime_that_is_new_enough_will_do(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deno").write_text("#!/bin/sh\necho 'deno 2.9.1 (stable, release)'\n")
    (tmp_path / "deno").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = javascript(patient())
    assert found.level == "ok" and found.details["runtime"] == ["deno", "2.9.1"]


def test_without_a_reader_rar_is_a_warning(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = rar(patient())
    assert found.level == "warn" and "UCF101.rar" in found.found and "unar" in found.cure
    (tmp_path / "unar").write_text("#!/bin/sh\n")
    (tmp_path / "unar").chmod(0o755)
    assert rar(patient()).details == {"readers": ["unar"]}
