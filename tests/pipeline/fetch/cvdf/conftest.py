"""CVDF on loopback: archives as its own are laid out, and roots of Kinetics without a video."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from pipeline import stage
from pipeline.crew import Crew
from pipeline.fetch.bring import Bring
from pipeline.fetch.cvdf.source import Cvdf
from pipeline.fetch.selection import Selection
from tests.pipeline.fetch.cvdf.laid import id_of, packed, states, stem_of

SILENT = Ui(quiet=True)


@pytest.fixture
def clips(tmp_path, spec) -> Callable[..., Dataset]:
    """A maker of the root: clips by number, with their class and split."""

    def make(
        name: str, asked: Iterable[tuple[int, str | None, str]], starts: Iterable[int] = (10,)
    ) -> Dataset:
        asked = list(asked)
        labels = sorted({label for _, label, _ in asked if label})
        rows, splits = [], []
        for number, label, split in asked:
            for start in starts:
                video, clip = id_of(number), stem_of(number, start)
                label_id = None if label is None else labels.index(label)
                source, span = f"youtube:{video}", (float(start), start + 1.0)
                rows.append(Clip(clip, name, label, label_id, video, source, *span))
                splits.append(SplitRow("official", clip, split))
        classes = [Label(at, label, f"l{at}") for at, label in enumerate(labels)]
        found = Annotation(name, rows, classes, splits, ["official"])
        return annotations.annotate(str(tmp_path / "root"), found, spec, 0, "")

    return make


@pytest.fixture
def lay(site) -> Callable[..., None]:
    """Put archives of a split and their list on the site."""

    def put(
        folder: str, split: str, archives: Mapping[str, Any], listed: str | None = None
    ) -> None:
        lines = []
        for name, members in archives.items():
            path = f"/{folder}/{split}/{quote(name)}"
            lines.append(f"https://s3.amazonaws.com/kinetics/{folder}/{split}/{name}")
            if members is not None:
                site.files[path] = members if isinstance(members, bytes) else packed(members)
        text = "\n".join(lines) + "\n" if listed is None else listed
        site.files[f"/{folder}/{split}/k{folder}_{split}_path.txt"] = text.encode()

    return put


@pytest.fixture
def bring(site, tools) -> Callable[..., dict[str, dict[str, Any]]]:
    """Run the stage as a new process would, and return clip_id -> its latest row."""

    def run(
        dataset: Dataset,
        retry: str = "none",
        jobs: int = 2,
        limit: int | None = None,
        part: tuple[int, int] = (1, 1),
        ui: Ui = SILENT,
    ) -> dict[str, dict[str, Any]]:
        fresh = Dataset.open(dataset.storage.root)
        tools.stop.clear()
        chosen = Selection(part, limit=limit, retry=retry)
        one = Bring(fresh, Cvdf(fresh, site.url, chosen), tools, chosen)
        stage.run(fresh, one, crew=Crew(jobs), retry=retry, ui=ui, share=part)
        return states(dataset)

    return run


@pytest.fixture
def video(make_video) -> Callable[[int], Path]:
    """The video of a number, 0.8 s long."""
    return lambda number: make_video("cvdf.mp4", hue=number)
