"""Other libraries' ways from a video file to a clip, uint8 (T, H, W, 3), on one thread.

Each is written as its own users would write it, with what it has to scale and to skip. The
libraries are imported when asked for: `pip install 'clipmill[bench]'`.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from manifests.spec import ClipSpec
from pipeline.benching.layout import Pixels, cropped, laid_out, places_of, scaled, steady

JPEG_QUALITY = 95


def opencv(path: Path, spec: ClipSpec) -> Pixels:
    """Grab every frame, retrieve the wanted ones, resize by area."""
    clip = np.empty(spec.shape, np.uint8)
    for places, picture in _grabbed(path, spec):
        clip[places] = picture[..., ::-1]
    return clip


def _grabbed(path: Path, spec: ClipSpec) -> Iterator[tuple[list[int], Pixels]]:
    """Yield places in the clip and the scaled picture (BGR) of each wanted frame."""
    cv2: Any = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count, rate = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
    places = places_of(steady(int(count), rate), spec)
    try:
        for number in range(max(places) + 1):
            if not video.grab():
                raise ValueError(f"frame {number} does not come")
            if number in places:
                _, frame = video.retrieve()
                high, wide = scaled(frame.shape[0], frame.shape[1], spec)
                small = cv2.resize(frame, (wide, high), interpolation=cv2.INTER_AREA)
                yield places[number], cropped(small, spec)
    finally:
        video.release()


def jpeg_files(path: Path, spec: ClipSpec) -> Pixels:
    """Write the wanted frames as one JPEG file each and read them back: frames on disk."""
    cv2: Any = importlib.import_module("cv2")
    clip = np.empty(spec.shape, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        written = []
        for places, picture in _grabbed(path, spec):
            name = f"{folder}/{len(written):05d}.jpg"
            cv2.imwrite(name, picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            written.append((places, name))
        for places, name in written:
            clip[places] = cv2.imread(name)[..., ::-1]
    return clip


def decord(path: Path, spec: ClipSpec) -> Pixels:
    """Ask for a batch of frames, scaled while they are decoded."""
    library: Any = importlib.import_module("decord")
    height, width, _ = library.VideoReader(str(path), num_threads=1)[0].shape
    high, wide = scaled(height, width, spec)
    reader = library.VideoReader(str(path), width=wide, height=high, num_threads=1)
    wanted = sorted(places := places_of(steady(len(reader), reader.get_avg_fps()), spec))
    frames = cropped(reader.get_batch(wanted).asnumpy(), spec)
    return laid_out(frames, wanted, places, spec)


def torchcodec(path: Path, spec: ClipSpec) -> Pixels:
    """Ask for frames at exact places, scaled while they are decoded."""
    library: Any = importlib.import_module("torchcodec.decoders")
    transforms: Any = importlib.import_module("torchcodec.transforms")
    plain = library.VideoDecoder(str(path), seek_mode="approximate", num_ffmpeg_threads=1)
    size = scaled(plain.metadata.height, plain.metadata.width, spec)
    video = library.VideoDecoder(
        str(path),
        dimension_order="NHWC",
        seek_mode="exact",
        num_ffmpeg_threads=1,
        transforms=[transforms.Resize(size)],
    )
    wanted = sorted(places := places_of(steady(len(video), video.metadata.average_fps), spec))
    frames = cropped(video.get_frames_at(wanted).data.numpy(), spec)
    return laid_out(frames, wanted, places, spec)
