"""The real videos against a reading that shares no code: counts, times, upright pictures."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest
from PIL import Image, ImageSequence

from manifests.spec import ClipSpec
from pipeline.video.decoder import Decoder

pytestmark = pytest.mark.shared

WIDTH = 320  # about what pictures are compared at, in whole parts of their own size
DAMAGED = "corrupted.mp4"  # a plain reading conceals what we leave out
CLOSE = 4.0  # mean difference in levels of 256: colours between their samples, and rounding
Pictures = dict[int, np.ndarray]


@dataclass
class Reading:
    """One file, read with PyAV as its tutorial does."""

    packets: int
    times: np.ndarray
    pictures: Pictures


def has_video(path: Path) -> bool:
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return bool(container.streams.video)
    except av.error.FFmpegError:
        return False


def read(path: Path, wanted: set[int], spec: ClipSpec) -> Reading:
    """Read the first video stream; the wanted pictures come upright and small."""
    stamps: list[float] = []
    pictures: Pictures = {}
    count, turn = 0, turned_by(path)
    with av.open(str(path), metadata_errors="ignore") as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size > 1:
                assert packet.pts is not None
                stamps.append(float(packet.pts * packet.time_base))
            for frame in decoded(packet):
                if count in wanted:
                    picture = np.rot90(frame.to_ndarray(format="rgb24"), turn)
                    pictures[count] = small(picture, spec)
                count += 1
    times = np.sort(stamps)
    return Reading(len(stamps), times - times[0], pictures)


def decoded(packet: Any) -> list[Any]:
    try:
        return packet.decode()
    except av.error.InvalidDataError:
        return []


def spec_for(path: Path) -> ClipSpec:
    """Eight frames of the whole picture, made smaller by a whole number."""
    with av.open(str(path), metadata_errors="ignore") as container:
        video = container.streams.video[0]
        width, height = (video.height, video.width)[:: (1 if turned_by(path) % 2 else -1)]
    part = next(n for n in range(max(1, width // WIDTH), 0, -1) if width % n == height % n == 0)
    height, width = max(8, height // part), max(8, width // part)
    return ClipSpec(frames=8, sampling="uniform", rate=1, fit="stretch", height=height, width=width)


def small(picture: np.ndarray, spec: ClipSpec) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((spec.width, spec.height), Image.Resampling.BOX))


def turned_by(path: Path) -> int:
    """Quarter turns counterclockwise to stand upright, from the bytes of the track's header."""
    data = path.read_bytes() if path.suffix in (".mov", ".mp4") else b""
    at = data.find(b"tkhd")
    if at < 0:
        return 0
    # After the name: version and flags, then times and the like, 40 bytes (52 in version 1).
    matrix = struct.unpack_from(">9i", data, at + (56 if data[at + 4] else 44))
    return -round(math.degrees(math.atan2(matrix[1], matrix[0])) / 90) % 4


def difference(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - two.astype(float)).mean())


def videos(shared: Path) -> list[Path]:
    return sorted(path for path in (shared / "data/videos").rglob("*") if path.is_file())


def test_counts_times_and_pictures_are_those_of_a_plain_reading(
    shared: Path, pyav: Decoder
) -> None:
    seen, turned = 0, set()
    for path in videos(shared):
        if not has_video(path):
            continue
        spec = spec_for(path)
        ours, probe = pyav.decode(path, spec), pyav.probe(path)
        theirs = read(path, set(ours.indices.tolist()), spec)
        assert probe.packets == theirs.packets, path.name
        assert np.allclose(probe.times, theirs.times, atol=1e-6), path.name
        seen += 1
        if path.name == DAMAGED:
            continue
        assert len(theirs.pictures) == len(set(ours.indices.tolist())), path.name
        turned.add(turned_by(path))
        for place, ordinal in enumerate(ours.indices.tolist()):
            near = {
                other: difference(ours.pixels[place], picture)
                for other, picture in theirs.pictures.items()
            }
            assert near[ordinal] < CLOSE, (path.name, near)
            assert near[ordinal] == min(near.values()), (path.name, near)
    assert seen == 34 and turned == {0, 1, 2, 3}


def test_transparent_parts_are_as_another_decoder_composes_them(
    shared: Path, pyav: Decoder
) -> None:
    [path] = (shared / "data/videos").rglob("*.gif")
    ours = pyav.decode(path, spec_for(path))
    with Image.open(path) as image:
        theirs = [on_white(frame) for frame in ImageSequence.Iterator(image)]
    assert len(theirs) == ours.frames_decoded
    for place, ordinal in enumerate(ours.indices.tolist()):
        assert difference(ours.pixels[place], small(theirs[ordinal], spec_for(path))) < CLOSE


def on_white(image: Image.Image) -> np.ndarray:
    paper = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB"))


def test_the_first_of_two_video_streams_is_taken(shared: Path, pyav: Decoder) -> None:
    [path] = (shared / "data/videos").rglob("nasa_13013.mp4")
    with av.open(str(path)) as container:
        first, second = [(one.width, one.height, one.frames) for one in container.streams.video]
    probe = pyav.probe(path)
    assert (probe.width, probe.height, probe.packets) == first != second


def test_colours_are_as_sharp_as_brightness(shared: Path, pyav: Decoder) -> None:
    [path] = (shared / "data/videos").rglob("example.mp4")  # bars of pure colours
    spec = ClipSpec(frames=1, fit="stretch", height=48, width=64)
    ours = pyav.decode(path, spec)
    theirs = read(path, set(ours.indices.tolist()), spec)
    # Colours at half the stored width leave fringes at the bars' edges: a difference of 4.8.
    assert difference(ours.pixels[0], *theirs.pictures.values()) < 1.5
