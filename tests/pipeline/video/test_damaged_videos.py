"""benchmarks/damaged_videos.py in small: no crash, no hang, no wrong frame that could be told."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from manifests.reasons import Reason

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    path = REPO / "benchmarks/damaged_videos.py"
    found = importlib.util.spec_from_file_location("damaged_videos", path)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "damaged_videos", module)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("backend", ["pyav", "ffmpeg"])
def test_a_hundred_variants(
    make_video: Callable[..., Path], benchmark: ModuleType, backend: str
) -> None:
    paths = [make_video(name, size="160x120", frames=60) for name in ("a.avi", "b.mp4", "c.mkv")]
    sounds = benchmark.sound_ones(paths)
    assert len(sounds) == len(paths)
    fates = benchmark.run(sounds, 100, 1, backend)
    assert len(fates) == 100
    verdicts = {fate.verdict for fate in fates}
    assert "same" in verdicts
    assert verdicts - {"same", "marked", "silent"} <= set(Reason) - {Reason.CRASH, Reason.TIMEOUT}
    assert max(fate.seconds for fate in fates) < benchmark.LIMITS.seconds
    assert not [fate for fate in fates if fate.verdict == "silent" and fate.kind == "cut"]
