"""Seeded damage of real videos, decoded by both backends: crashes, time, wrong frames in silence.

    python benchmarks/damaged_videos.py [COUNT]

A variant is a video cut at a random place, or with 1 to 50 bytes changed. A result without `errors`
whose pixels are not those of the sound file at the same frames is wrong in silence. Of these it is
told whether decoding every packet would have told. About 50 ms a decode; writes
results/damaged_videos.json.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import machine
import numpy as np
from numpy.typing import NDArray

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.video.decoder import Backend, Decoded, Decoder, Limits
from pipeline.video.errors import VideoError
from pipeline.video.pyav_backend import survey

HERE = Path(__file__).resolve()
SHARED = Path(os.environ.get("CLIPMILL_SHARED", HERE.parents[2] / "shared")) / "data"
MOST_BYTES, MOST_FRAMES = 1_000_000, 400
SEED, COUNT = 7, 2000
LIMITS = Limits(seconds=20)
SPEC = ClipSpec(frames=8, sampling="uniform", rate=1, height=32, width=32)


@dataclass(frozen=True, slots=True)
class Sound:
    """A video as it was: every frame's pixels (N, H, W, 3), where packets lie (start, end)."""

    path: Path
    codec: str
    pixels: NDArray[np.uint8]
    payload: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one variant: its kind, the verdict, what a full decode says, seconds."""

    codec: str
    kind: str
    verdict: str
    told: bool
    inside: bool
    seconds: float
    name: str


def main() -> None:
    """Decode the variants and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    paths = sorted(path for path in (SHARED / "videos").rglob("*") if path.is_file())
    paths += sorted((SHARED / "ucf101_3class").rglob("*.avi"))[::10]
    results: dict[str, Any] = {"machine": machine.about(), "variants": count}
    sounds = sound_ones([path for path in paths if path.stat().st_size < MOST_BYTES])
    for backend in ("pyav", "ffmpeg"):
        results[backend] = told(run(sounds, count, SEED, backend))
        print(backend, results[backend])
    machine.keep("damaged_videos", results)


def sound_ones(paths: Sequence[Path]) -> list[Sound]:
    """Return the videos among files that decode without any loss."""
    found = []
    with Decoder(LIMITS) as decoder:
        for path in paths:
            try:
                packets = decoder.probe(path).packets
                if not 1 < packets <= MOST_FRAMES:
                    continue
                spec = ClipSpec(frames=packets, sampling="stride", rate=1, height=32, width=32)
                whole = decoder.decode(path, spec)
            except (VideoError, ClipmillError):
                continue
            if not whole.errors and whole.indices.tolist() == [*range(packets)]:
                found.append(Sound(path, whole.codec, whole.pixels, payload(path)))
    return found


def payload(path: Path) -> tuple[tuple[int, int], ...]:
    """Return where the packets of the first video stream lie in a file."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return tuple(
            (packet.pos, packet.pos + packet.size)
            for packet in container.demux(container.streams.video[0])
            if packet.pos is not None and packet.size
        )


def run(sounds: Sequence[Sound], count: int, seed: int, backend: Backend) -> list[Fate]:
    """Decode so many variants, always the same ones for a seed."""
    fates = []
    with tempfile.TemporaryDirectory() as folder, Decoder(LIMITS, backend) as decoder:
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            sound = chance.choice(sounds)
            kind, data, changed = damaged(sound.path.read_bytes(), chance)
            path = Path(folder) / f"variant{sound.path.suffix}"
            path.write_bytes(data)
            inside = all(any(a <= at < b for a, b in sound.payload) for at in changed)
            started = time.monotonic()
            try:
                verdict = judged(sound, decoder.decode(path, SPEC))
            except VideoError as error:
                verdict = str(error.reason)
            seconds = time.monotonic() - started
            known = verdict == "silent" and tells(path)
            name = f"{number} {kind} {sound.path.name}"
            fates.append(Fate(sound.codec, kind, verdict, known, inside, seconds, name))
    return fates


def damaged(data: bytes, chance: random.Random) -> tuple[str, bytes, list[int]]:
    """Return the kind of damage, the bytes, and the places that were changed."""
    if chance.random() < 0.4:
        return "cut", data[: chance.randrange(len(data))], []
    bad = bytearray(data)
    changed = [chance.randrange(len(bad)) for _ in range(chance.randint(1, 50))]
    for place in changed:
        bad[place] ^= chance.randrange(1, 256)
    return "flipped", bytes(bad), changed


def judged(sound: Sound, decoded: Decoded) -> str:
    """Return what an accepted result is: the same, marked, or wrong in silence."""
    if decoded.errors:
        return "marked"
    if decoded.indices.max() >= len(sound.pixels):
        return "silent"
    same = np.array_equal(decoded.pixels, sound.pixels[decoded.indices])
    return "same" if same else "silent"


def tells(path: Path) -> bool:
    """Whether decoding every packet of a file tells of damage: an error, or frames that lack."""
    with Decoder(LIMITS) as decoder:
        packets = decoder.probe(path).packets
    with path.open("rb") as file:
        times, errors = survey(file.fileno(), LIMITS.pixels)
    return bool(errors) or len(times) != packets


def told(fates: Sequence[Fate]) -> dict[str, Any]:
    """Return the counts, by codec too."""
    codecs: dict[str, Counter[str]] = defaultdict(Counter)
    for fate in fates:
        codecs[fate.codec][fate.verdict] += 1
    silent = [fate for fate in fates if fate.verdict == "silent"]
    return {
        "verdicts": dict(Counter(fate.verdict for fate in fates)),
        "silent": {
            "cut": sum(fate.kind == "cut" for fate in silent),
            "told by decoding everything": sum(fate.told for fate in silent),
            "inside payload alone": sum(fate.kind != "cut" and fate.inside for fate in silent),
        },
        "by_codec": {codec: dict(counts) for codec, counts in sorted(codecs.items())},
        "slowest_s": round(max(fate.seconds for fate in fates), 2),
        "examples": [fate.name for fate in silent if fate.kind == "cut" or fate.told][:20],
    }


if __name__ == "__main__":
    main()
