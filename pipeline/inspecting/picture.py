"""From a wish to a PNG: choose clips, read them from their shards, draw, write."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.rows import slug
from pipeline.inspecting import choose, sheet
from pipeline.inspecting.choose import Wish
from pipeline.inspecting.counting import among
from pipeline.inspecting.stored import Shelf, Stored
from pipeline.packplan import UNSPLIT

Page = Callable[[str, str, Sequence[tuple[Stored, str]]], Image.Image]


def picture(dataset: Dataset, wish: Wish, out: Path | None) -> dict[str, Any]:
    """Draw the sheet that is wished, write it as PNG and say what is on it.

    Without `out` it goes to the current folder, under a name that says what it shows.

    Raises:
        ClipmillError: nothing to show (the message says why), a damaged shard, a bad `out`.
    """
    _require_file(out)
    dataset.require_own_shards()
    if wish.clip is not None:
        rows = choose.one_clip(dataset, wish)
        views = _taken(dataset, rows, wish)
        name, pages = wish.clip, 1
        if len(views) == 1:
            image = sheet.clip_sheet(*views[0])
        else:
            title = f"{views[0][0].label}: {len(views)} views of one clip"
            image = sheet.class_sheet(title, dataset.name, views)
    elif wish.label is not None:
        title, found = choose.of_class(dataset, wish)
        rows, pages, image = _page(dataset, title, found, wish, sheet.CLASS_CLIPS)
        name = f"{slug(title)[:80]}-{wish.page}"
    else:
        assert wish.random is not None
        everything = choose.packed(dataset, wish)
        found = choose.at_random(everything, wish.random, wish.seed)
        classes = len(found["label_id"].unique())
        title = f"{len(found):,} of {len(everything):,} clips, {classes:,} classes"
        rows, pages, image = _page(dataset, title, found, wish, sheet.RANDOM_CLIPS)
        name = f"random-{wish.seed}-{wish.page}"
    path = out if out is not None else Path(f"inspect-{name}.png")
    data = io.BytesIO()
    image.save(data, "PNG")
    LocalStorage(path.absolute().parent).write(path.name, data.getvalue())
    return {
        "out": str(path),
        "width": image.width,
        "height": image.height,
        "page": wish.page,
        "pages": pages,
        "clips": [*dict.fromkeys(rows["clip_id"].to_pylist())],
    }


def _page(
    dataset: Dataset, title: str, found: pa.Table, wish: Wish, size: int
) -> tuple[pa.Table, int, Image.Image]:
    rows, pages = choose.page_of(found, wish.page, size)
    where = "all splits" if wish.split is None else f"split {wish.split}"
    seed = "" if wish.random is None else f" · seed {wish.seed}"
    number = "" if wish.label is None else f"class {_named(found['label_id'][0].as_py())} · "
    notes = (
        f"{number}{dataset.name} · {where} of {dataset.split_set(wish.split_set)} · "
        f"{len(found):,} packed · page {wish.page} of {pages:,}{seed}"
    )
    draw: Page = sheet.class_sheet if wish.random is None else sheet.random_sheet
    return rows, pages, draw(title, notes, _taken(dataset, rows, wish))


def _taken(dataset: Dataset, rows: pa.Table, wish: Wish) -> list[tuple[Stored, str]]:
    shelf, splits = Shelf(dataset), _splits(dataset, rows, wish)
    return [(shelf.take(row), splits[row["clip_id"]]) for row in rows.to_pylist()]


def _splits(dataset: Dataset, rows: pa.Table, wish: Wish) -> dict[str, str]:
    """Return clip_id → its splits in words; each set is named where there are several."""
    own = among(dataset.splits, rows["clip_id"])
    if wish.split_set is not None:
        own = own.filter(pc.field("split_set") == dataset.split_set(wish.split_set))
    several = len(dataset.split_sets) > 1
    found: dict[str, list[str]] = {clip: [] for clip in rows["clip_id"].to_pylist()}
    for row in own.to_pylist():
        words = f"{row['split_set']} {row['split']}" if several else row["split"]
        found[row["clip_id"]].append(words)
    return {clip: ", ".join(words) or UNSPLIT for clip, words in found.items()}


def _named(label_id: int | None) -> str:
    return "without number" if label_id is None else str(label_id)


def _require_file(out: Path | None) -> None:
    if out is None:
        return
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ClipmillError(
            f"--out {out}: there is no folder {folder}. Make it, or name another place."
        )
    if out.is_dir():
        raise ClipmillError(f"--out {out} is a folder; expected a file such as {out / 'clip.png'}.")
    if out.suffix.lower() != ".png":
        raise ClipmillError(f"--out {out}; expected a name that ends with .png.")
