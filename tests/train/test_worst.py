"""The worst errors are those of brute force, with their frames and names, over two ranks too."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from model.world import World
from train.worst import CLIPS, FRAMES, Worst, _spread

ALONE = World(0, 1, torch.device("cpu"))
CLASSES, COUNT, LONG = 5, 60, 16


def clips() -> tuple[Tensor, Tensor, Tensor]:
    """Pixels that say which clip and frame they are, logits, labels; some have no label."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.zeros((COUNT, LONG, 4, 6, 3), dtype=torch.uint8)
    pixels[..., 0] = torch.arange(COUNT).view(-1, 1, 1, 1)
    pixels[..., 1] = torch.arange(LONG).view(1, -1, 1, 1)
    logits = torch.randn((COUNT, CLASSES), generator=generator) * 3
    labels = torch.randint(-1, CLASSES, (COUNT,), generator=generator)
    return pixels, logits, labels


def brute(logits: Tensor, labels: Tensor) -> list[int]:
    confidence, predicted = logits.double().softmax(1).max(1)
    wrong = [n for n in range(COUNT) if labels[n] >= 0 and predicted[n] != labels[n]]
    return sorted(wrong, key=lambda n: -float(confidence[n]))[:CLIPS]


def fed(worst: Worst, rows: np.ndarray) -> None:
    pixels, logits, labels = clips()
    for start in range(0, len(rows), 7):
        some = rows[start : start + 7]
        place = torch.from_numpy(np.maximum(some, 0))
        worst.update(pixels[place], logits[place], labels[place], some)


def require_brute(found) -> None:
    _, logits, labels = clips()
    assert [one.clip_id for one in found] == [f"clip-{n}" for n in brute(logits, labels)]
    for one in found:
        number = int(one.clip_id.removeprefix("clip-"))
        assert one.frames.shape == (FRAMES, 4, 6, 3)
        assert (one.frames[..., 0] == number).all()
        assert one.frames[:, 0, 0, 1].tolist() == _spread(LONG)
        assert one.truth == labels[number]
        assert one.predicted == logits[number].argmax()
        assert one.confidence == pytest.approx(float(logits[number].double().softmax(0).max()))


def test_alone_with_padding():
    worst = Worst(torch.device("cpu"))
    fed(worst, np.concatenate([np.arange(COUNT), np.full(10, -1)]))
    require_brute(worst.result(ALONE, [f"clip-{n}" for n in range(COUNT)]))


def test_nothing_wrong_and_nothing_seen():
    worst = Worst(torch.device("cpu"))
    assert worst.result(ALONE, []) == []
    pixels, logits, _ = clips()
    worst.update(pixels, logits, logits.argmax(1), np.arange(COUNT))
    assert worst.result(ALONE, [""] * COUNT) == []


@pytest.mark.parametrize(("frames", "places"), [(1, [0]), (4, [0, 1, 2, 3]), (9, 8), (16, 8)])
def test_frames_are_spread_from_first_to_last(frames, places):
    found = _spread(frames)
    assert found == places if isinstance(places, list) else len(set(found)) == places
    assert (found[0], found[-1]) == (0, frames - 1)


def _rank(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/join", rank=rank, world_size=2)
    rows = np.arange(COUNT)
    try:
        for share in ([rows[::2], rows[1::2]], [rows, rows[:0]]):
            worst = Worst(torch.device("cpu"))
            fed(worst, share[rank])
            world = World(rank, 2, torch.device("cpu"))
            require_brute(worst.result(world, [f"clip-{n}" for n in range(COUNT)]))
    finally:
        dist.destroy_process_group()


def test_two_ranks_of_which_one_may_have_nothing(tmp_path):
    mp.spawn(_rank, (str(tmp_path),), nprocs=2)
