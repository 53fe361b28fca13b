"""Videos decoded while training, on one thread a worker.

Variants `pyav` and `torchcodec` decode the clip that a shard would hold and take a window of it:
the same pixels to choose from. Variants `pyav window` and `torchcodec window` seek to the window
and decode no further than its end, by seek_mode approximate (exact reads the file first: slower).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import av
import numpy as np
from peer import Asked, Pixels, run
from torch.utils.data import DataLoader, Dataset

STRIDE, SIDE = 4, 128


def by_pyav(path: str, frames: int, generator: np.random.Generator) -> Pixels:
    """Decode from the keyframe before the window; convert the wanted frames alone."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.average_rate and stream.time_base
        start, stride = _start(stream.frames, frames, generator)
        tick = 1 / (float(stream.average_rate) * float(stream.time_base))
        container.seek(round(start * tick), stream=stream)
        found = []
        for frame in container.decode(stream):
            number = round((frame.pts or 0) / tick)
            if number >= start + len(found) * stride:
                high, wide = _scaled(frame.height, frame.width)
                small = frame.reformat(wide, high, "rgb24", interpolation="AREA")
                found.append(small.to_ndarray())
            if len(found) == frames:
                break
    return np.stack([*found, *found[-1:] * (frames - len(found))])


def by_torchcodec(path: str, frames: int, generator: np.random.Generator) -> Pixels:
    """Ask for the window's frames, scaled while they are decoded."""
    decoders: Any = importlib.import_module("torchcodec.decoders")
    transforms: Any = importlib.import_module("torchcodec.transforms")
    with av.open(path) as container:
        size = container.streams.video[0].codec_context
        scaled = _scaled(size.height, size.width)
    video = decoders.VideoDecoder(
        path,
        dimension_order="NHWC",
        seek_mode="approximate",
        num_ffmpeg_threads=1,
        transforms=[transforms.Resize(scaled)],
    )
    start, stride = _start(len(video), frames, generator)
    return video.get_frames_at([start + n * stride for n in range(frames)]).data.numpy()


def _start(count: int, frames: int, generator: np.random.Generator) -> tuple[int, int]:
    stride = max(1, min(STRIDE, (count - 1) // frames))
    return int(generator.integers(0, max(1, count - (frames - 1) * stride - 1))), stride


def _scaled(height: int, width: int) -> tuple[int, int]:
    return SIDE * height // min(height, width), SIDE * width // min(height, width)


def whole_by_pyav(path: str, frames: int, generator: np.random.Generator) -> Pixels:
    """Decode all frames that a shard would hold."""
    from manifests.spec import ClipSpec
    from pipeline.benching.ways import pyav_everything

    return pyav_everything(Path(path), ClipSpec())


def whole_by_torchcodec(path: str, frames: int, generator: np.random.Generator) -> Pixels:
    """Decode all frames that a shard would hold."""
    from manifests.spec import ClipSpec
    from pipeline.benching.peers import torchcodec

    return torchcodec(Path(path), ClipSpec())


VARIANTS = {
    "pyav": whole_by_pyav,
    "torchcodec": whole_by_torchcodec,
    "pyav window": by_pyav,
    "torchcodec window": by_torchcodec,
}


class Videos(Dataset[Any]):
    """Clips as files; `tars` are the videos."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._generator = asked, np.random.default_rng()
        self._decode = VARIANTS[asked.variant]

    def __len__(self) -> int:
        return len(self._asked.tars)

    def __getitem__(self, row: int) -> tuple[Pixels, int]:
        path = self._asked.tars[row]
        clip = self._decode(path, self._asked.window[0], self._generator)
        return self._asked.cut(clip, self._generator), 0


def prepare(asked: Asked) -> None:
    """Nothing: videos are read as they came."""


def loader(asked: Asked) -> Any:
    """Return torch's loader."""
    more = {"collate_fn": asked.together, **asked.loading}
    return DataLoader(Videos(asked), asked.batch, shuffle=True, drop_last=True, **more)


if __name__ == "__main__":
    run(prepare, loader)
