"""Batches: each clip once an epoch, the same for any number of ranks, resumed to the very step."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec, Window
from shards.format import Sample
from shards.plan import PAD
from shards.stream import Stream
from shards.write import Written

WHOLE, PART = Window(4, 16, 16), Window(2, 10, 12)
TRAIN, TEST = 23, 7


@pytest.fixture
def make(tmp_path: Path, shard: Callable[..., Written], spec: ClipSpec) -> Callable[..., Dataset]:
    """A maker of packed roots: 23 clips of train in 4 shards, 7 of test in one, no val."""

    def root(labelled: bool = True, **more: Any) -> Dataset:
        chosen = dataclasses.replace(spec, **more)
        parts = {
            "train": [f"a{n:02}" for n in range(TRAIN)],
            "test": [f"t{n}" for n in range(TEST)],
        }
        clips = [
            Clip(name, "set", "run" if labelled else None, 0 if labelled else None, name, "file:x")
            for names in parts.values()
            for name in names
        ]
        rows = [SplitRow("default", name, part) for part in parts for name in parts[part]]
        labels = [Label(0, "run", "run")] if labelled else []
        found = Annotation("set", clips, labels, rows, ["default"])
        dataset = annotations.annotate(str(tmp_path / "root"), found, chosen, 0, "/videos")
        label_id = 0 if labelled else None
        for part, names in parts.items():
            for number in range(0, len(names), 6):
                name = f"{part}-{number // 6:06d}.tar"
                written = shard(
                    dataset.storage, name, names[number : number + 6], chosen, label_id=label_id
                )
                dataset.append("shards", [written.shard])
                dataset.append("samples", written.samples)
        return Dataset.open(dataset.storage.root)

    return root


def stream(dataset: Dataset, split: str = "train", window: Window = WHOLE, **more: Any) -> Stream:
    return Stream(dataset, split, window, **({"global_batch": 5, "train": True} | more))


def taken(found: Stream, most: int | None = None) -> list[list[int]]:
    batches = []
    for batch in found:
        batches.append(batch.rows.tolist())
        if most is not None and len(batches) == most:
            break
    return batches


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_an_epoch_is_each_clip_once_for_any_number_of_ranks(
    make: Callable[..., Dataset], world: int
) -> None:
    dataset = make()
    alone = taken(stream(dataset))
    assert len(alone) == TRAIN // 5 and stream(dataset).dropped == TRAIN % 5
    assert len(set(flat(alone))) == TRAIN // 5 * 5
    ranks = [taken(stream(dataset, rank=rank, world=world)) for rank in range(world)]
    for step, whole in enumerate(alone):
        shares = [rank[step] for rank in ranks]
        assert len({len(share) for share in shares}) == 1
        assert [row for row in flat(shares) if row != PAD] == whole


@pytest.mark.parametrize("world", [1, 2, 4])
def test_scoring_sees_each_clip_once_and_pads(make: Callable[..., Dataset], world: int) -> None:
    dataset, seen = make(), []
    for rank in range(world):
        for batch in stream(dataset, "test", train=False, global_batch=3, rank=rank, world=world):
            assert batch.valid.tolist() == [row != PAD for row in batch.rows]
            assert all(label == -1 for label in batch.labels[~batch.valid])
            assert int(batch.pixels[~batch.valid].sum()) == 0
            seen += batch.rows[batch.rows != PAD].tolist()
    assert sorted(seen) == list(range(TEST))


def test_epochs_differ_and_follow_each_other(make: Callable[..., Dataset]) -> None:
    found = stream(make())
    first, second = taken(found), taken(found)
    assert first != second
    assert found.epoch == 2 and found.step == 0
    assert taken(stream(make(), seed=1)) != first


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_resuming_with_another_number_of_ranks_gives_exactly_the_rest(
    make: Callable[..., Dataset], before: int, after: int
) -> None:
    dataset = make()
    whole = stream(dataset)
    wanted = [*taken(whole), *taken(whole)]
    steps = len(whole) + 2  # two steps into the second epoch
    for rank in range(before):
        saved = stream(dataset, rank=rank, world=before)
        taken(saved)
        taken(saved, 2)
    state = saved.state_dict()
    assert all(isinstance(value, int | str) for value in state.values())
    ranks = []
    for rank in range(after):
        resumed = stream(dataset, rank=rank, world=after)
        resumed.load_state_dict(state)
        ranks.append(taken(resumed))
    rest = [[row for row in flat([*shares]) if row != PAD] for shares in zip(*ranks, strict=True)]
    assert rest == wanted[steps:]


def test_a_state_of_other_data_or_options_is_refused(make: Callable[..., Dataset]) -> None:
    dataset = make()
    state = stream(dataset).state_dict()
    for other, words in (
        (stream(dataset, seed=2), "with seed 0, this run has 2"),
        (stream(dataset, global_batch=4), "with global_batch 5, this run has 4"),
        (stream(dataset, "test"), "digest"),
    ):
        with pytest.raises(ClipmillError, match=words):
            other.load_state_dict(state)
    for key in state:
        broken = {name: value for name, value in state.items() if name != key}
        with pytest.raises(ClipmillError, match=key):
            stream(dataset).load_state_dict(broken)
    for wrong in ({"step": -1}, {"step": 99}, {"epoch": -1}, {"epoch": "x"}):
        with pytest.raises(ClipmillError):
            stream(dataset).load_state_dict(state | wrong)


def test_evaluation_cuts_the_centre(
    make: Callable[..., Dataset], sample: Callable[..., Sample]
) -> None:
    found = stream(make(), "test", PART, train=False)
    for batch in found:
        for place, row in enumerate(batch.rows):
            if row != PAD:
                pixels = sample(found.clip_ids[row]).pixels
                assert np.array_equal(batch.pixels[place].numpy(), pixels[1:3, 3:13, 2:14])


def test_training_draws_windows_by_seed_epoch_and_clip(
    make: Callable[..., Dataset], sample: Callable[..., Sample]
) -> None:
    def windows(found: Stream) -> dict[str, tuple[int, int, int]]:
        where = {}
        for batch in found:
            for place, row in enumerate(batch.rows[batch.rows != PAD]):
                clip = found.clip_ids[row]
                where[clip] = _find(sample(clip).pixels, batch.pixels[place].numpy())
        return where

    dataset = make()
    alone = stream(dataset, window=PART)
    first, second = windows(alone), windows(alone)
    assert len(set(first.values())) > 5, "windows differ among clips"
    assert any(first[clip] != second[clip] for clip in first.keys() & second), "and epochs"
    ranks = [windows(stream(dataset, window=PART, rank=rank, world=2)) for rank in range(2)]
    assert ranks[0] | ranks[1] == first, "but not with the number of ranks"


def _find(pixels: np.ndarray, window: np.ndarray) -> tuple[int, int, int]:
    """Where in a clip of noise a window was cut."""
    for time, top, left in np.ndindex(3, 7, 5):
        if np.array_equal(pixels[time : time + 2, top : top + 10, left : left + 12], window):
            return time, top, left
    raise AssertionError("the window is nowhere in its clip")


def test_jpeg_shards_give_the_same_clips_about(
    make: Callable[..., Dataset], sample: Callable[..., Sample]
) -> None:
    found = stream(make(codec="jpeg"), train=False, global_batch=TRAIN)
    [batch] = found
    for place, row in enumerate(batch.rows):
        pixels = sample(found.clip_ids[row]).pixels.astype(int)
        assert np.abs(batch.pixels[place].numpy() - pixels).mean() < 25, "noise suffers most"
        assert np.abs(batch.pixels[place].numpy().mean() - pixels.mean()) < 3


def test_labels_and_random_numbers(make: Callable[..., Dataset]) -> None:
    for batch in stream(make()):
        assert batch.labels.tolist() == [0] * 5
        assert batch.random.shape == (5, 10)
        assert batch.random.min() >= 0 and batch.random.max() < 1
        assert len(set(batch.random.flatten().tolist())) == 50


def test_clips_without_a_label(make: Callable[..., Dataset]) -> None:
    for batch in stream(make(labelled=False), "test", train=False):
        assert set(batch.labels.tolist()) == {-1}


def test_what_cannot_be_streamed_is_said(make: Callable[..., Dataset]) -> None:
    dataset = make()
    with pytest.raises(ClipmillError, match=r"5 frames of 16x16 does not fit"):
        stream(dataset, window=Window(5, 16, 16))
    with pytest.raises(ClipmillError, match=r"7 clips, less than one batch of 8. Use --batch 7"):
        stream(dataset, "test", global_batch=8)
    with pytest.raises(ClipmillError, match=r"'val' of .* holds no packed clip"):
        stream(dataset, "val")
    with pytest.raises(ClipmillError, match=r"unknown split set"):
        stream(dataset, split_set="other")
    with pytest.raises(ClipmillError, match=r"rank 2 of 2; expected 0 to world - 1"):
        stream(dataset, rank=2, world=2)
    with pytest.raises(ClipmillError, match=r"seed -1; expected 0 or more"):
        stream(dataset, seed=-1)
    with pytest.raises(ClipmillError, match=r"blocks of 0 shards"):
        stream(dataset, block=0)


def test_a_changed_spec_in_dataset_toml_is_named(make: Callable[..., Dataset]) -> None:
    path = Path(make().storage.root) / "dataset.toml"
    path.write_text(path.read_text().replace("rate = 2.0", "rate = 3.0"))
    with pytest.raises(ClipmillError, match=r"shard t\w+-000000.tar was packed with ClipSpec"):
        stream(Dataset.open(str(path.parent)))


def test_damage_names_shard_and_clip(make: Callable[..., Dataset]) -> None:
    dataset = make()
    path = Path(dataset.storage.root) / "shards" / "test-000000.tar"
    row = dataset.parts("samples").to_pylist()[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-512])
    with pytest.raises(ClipmillError, match=r"shard test-000000\.tar.*its row says"):
        taken(stream(dataset, "test"))
    path.write_bytes(whole)
    (Path(dataset.storage.root) / "shards" / row["shard"]).unlink()
    with pytest.raises(ClipmillError, match=rf"shard {row['shard']}.*missing"):
        taken(stream(dataset, "test", train=False))


def test_samples_of_a_shard_without_a_row(make: Callable[..., Dataset]) -> None:
    dataset = make()
    for path in (Path(dataset.storage.root) / "manifests" / "shards").iterdir():
        path.unlink()
    with pytest.raises(ClipmillError, match=r"which the table of shards lacks"):
        stream(dataset)
