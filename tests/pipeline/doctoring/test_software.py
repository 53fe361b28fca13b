"""Versions are held against setup.cfg; torch is asked in a process of its own."""

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.doctoring import software
from pipeline.doctoring.finding import Patient


def test_what_setup_cfg_asks_for_is_here(patient: Callable[..., Patient]) -> None:
    wanted = software.required()
    assert wanted["torch"] == "2.10" and wanted["yt-dlp"] == "2026.7.4" and len(wanted) >= 17
    found = software.packages(patient())
    assert found.level == "ok" and found.details["av"] == metadata.version("av")
    assert software.python(patient()).level == "ok"


def test_packages_that_are_old_or_missing_fail(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "[options]\ninstall_requires =\n    numpy >=10\n    no-such-package[x] >=1.5\n"
    (tmp_path / "setup.cfg").write_text(lines)
    monkeypatch.setattr(software, "_SOURCES", tmp_path)
    found = software.packages(patient())
    assert found.level == "fail" and found.cure
    assert f"numpy {metadata.version('numpy')} is older than 10" in found.found
    assert "no-such-package is missing (>= 1.5)" in found.found


def test_an_installed_clipmill_tells_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "clipmill-9.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", "Name: clipmill", "Version: 9"]
    lines += ["Requires-Dist: av>=18.1", "Requires-Dist: yt-dlp[default]>=2026.7.4"]
    lines += ['Requires-Dist: ruff>=0.14; extra == "dev"']
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(software, "_SOURCES", tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert software.required() == {"av": "18.1", "yt-dlp": "2026.7.4"}


def test_torch_is_seen(patient: Callable[..., Patient]) -> None:
    found = software.torch(patient())
    assert found.level in ("ok", "warn")
    assert found.details["version"].split("+")[0] == metadata.version("torch").split("+")[0]


def test_a_torch_and_cudnn_that_are_slow_or_wrong_are_a_warning(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another torch in its place, which says that it has a GPU."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for version, cudnn, level in (("2.9.1", 91002, "warn"), ("2.13.0", 92100, "ok")):
        (tmp_path / "torch.py").write_text(
            f"class backends:\n class cudnn:\n  version = staticmethod(lambda: {cudnn})\n"
            "class cuda:\n device_count = staticmethod(lambda: 1)\n"
            " get_device_name = staticmethod(lambda number: 'H200')\n"
            f"__version__ = '{version}'\n"
        )
        found = software.torch(patient())
        assert found.level == level and "H200; cuDNN 9." in found.found
        assert ("pytorch#166122" in found.found) == (level == "warn") == bool(found.cure)
        assert found.details["cudnn"] == cudnn


def test_a_torch_that_breaks_at_import_fails(
    tmp_path: Path, patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = software.torch(patient())
    assert found.level == "fail" and "libcudart.so.13: cannot open" in found.found
