"""docs/odd-files.md says what becomes of the shared videos: made again and compared."""

import importlib.util
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.shared
def test_the_page_is_true(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.spec_from_file_location("odd_files", REPO / "benchmarks/odd_files.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "odd_files", module)
    found.loader.exec_module(module)
    made = module.page(shared / "data" / "videos").splitlines()
    kept = (REPO / "docs" / "odd-files.md").read_text().splitlines()
    assert made == kept, "run `python benchmarks/odd_files.py SHARED/data/videos docs/odd-files.md`"
