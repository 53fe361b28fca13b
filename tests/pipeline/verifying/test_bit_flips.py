"""benchmarks/bit_flips.py in small: every flipped bit is found, whatever file it is in."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    found = importlib.util.spec_from_file_location("bit_flips", REPO / "benchmarks/bit_flips.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "bit_flips", module)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_all_of_thirty_are_found(
    tmp_path: Path, make_video: Callable[..., Path], benchmark: ModuleType, codec: str
) -> None:
    videos = [make_video(f"{number}.avi", hue=40 * number) for number in range(4)]
    root = benchmark.make_root(tmp_path / "made", videos, codec)
    assert benchmark.found_in(root) == []
    hits, missed = benchmark.flips(root, 30, 1)
    assert missed == [] and sum(hits.values()) == 30
    assert {"manifests", "shards", "clips", "videos"} <= set(hits)
    assert benchmark.found_in(root) == []
