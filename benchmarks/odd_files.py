"""What becomes of odd video files: annotates and packs a folder of them and writes a table.

    python benchmarks/odd_files.py ../shared/data/videos docs/odd-files.md

Every file is decoded whole once more, for the count of all its frames: some 20 seconds for the 38
files of the shared folder. The table holds facts alone and is the same wherever it is made;
tests/pipeline/test_odd_files.py makes it again and compares.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.reasons import MEANING, Reason
from manifests.spec import ClipSpec
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder
from pipeline.annotate.sources import path_of
from pipeline.video.decoder import Limits
from pipeline.video.pyav_backend import survey

SPEC = ClipSpec(height=32, width=32)
KINDS = {"video": "v", "audio": "a", "subtitle": "s"}
COLUMNS = (
    "file", "container", "codec", "pixels", "size", "turned", "streams", "packets", "frames",
    "fate", "what was done",
)  # fmt: skip
HEAD = f"""# Odd files
What `clipmill annotate folder` and `clipmill pack` make of the shared real videos, many of which
were chosen for their oddities (`seed` spec: {SPEC.frames} frames, every {SPEC.rate}th). Made by
`python benchmarks/odd_files.py FOLDER docs/odd-files.md`; a test makes it again and compares.

- **size**: as coded, before turning; **turned**: clockwise, to stand upright.
- **streams**: v video, a sound, s subtitles, in the order of the file.
- **packets**: those of the video stream that are to give a frame each, counted one by one; no
  header is believed. A packet of one byte ("show the last frame again") gives none.
- **frames**: what comes when the whole file is decoded, without damaged frames.
- **fate**: `packed`, or the reason in the outcome row.
- **damaged frames left out**: frames whose damage the decoder tells of. It may spread: a frame that
  is built from a damaged one can be kept and show its traces until the next key frame.

"""


class Stream(NamedTuple):
    """What a container says of a stream; it is gone when the container is closed."""

    kind: str
    pixels: str
    frames: int


@dataclass(frozen=True, slots=True)
class Found:
    """One file: what the stages recorded, each empty where they did not come so far."""

    path: Path
    download: dict[str, Any]
    pack: dict[str, Any]
    sample: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        return self.download.get("reason") or self.pack.get("reason") or ""

    def streams(self) -> list[Stream]:
        """Return the streams; none where the file cannot be opened."""
        try:
            with av.open(str(self.path), metadata_errors="ignore") as container:
                return [
                    Stream(one.type, getattr(one.codec_context, "pix_fmt", ""), one.frames)
                    for one in container.streams
                ]
        except av.error.FFmpegError:
            return []


def main() -> None:
    """Write the page."""
    videos, out = (Path(name) for name in sys.argv[1:3])
    out.write_text(page(videos))


def page(videos: Path) -> str:
    """Return the page about a folder of videos."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *table(videos)]
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table(videos: Path) -> Iterator[tuple[str, ...]]:
    """Yield a line for every file below a folder, by name."""
    with tempfile.TemporaryDirectory() as temporary:
        found = _packed(videos, Path(temporary) / "root")
    for path in sorted(path for path in videos.rglob("*") if path.is_file()):
        name = path.relative_to(videos).as_posix()
        if name in found:
            yield name, *_line(found[name])
        else:
            yield name, *[""] * 8, "left aside", "no extension of video or sound"


def _packed(videos: Path, root: Path) -> dict[str, Found]:
    """Annotate and pack a folder; return what came of it by file."""
    listed = read_folder(videos, csv=None, val=0, test=0, seed=0, name="odd")
    options, ui = running.Options(jobs=1, retry="failed"), Ui(quiet=True, json=True)
    annotating.annotate(str(root), listed, SPEC, 0, videos, options, ui)
    running.run(str(root), ["pack"], options, ui)
    dataset = Dataset.open(str(root))
    rows = [
        {row["clip_id"]: row for row in dataset.parts(name).to_pylist()}
        for name in ("download", "pack", "samples")
    ]
    return {
        (name := path_of(clip.source)): Found(
            videos / name, *(table.get(clip.clip_id, {}) for table in rows)
        )
        for clip in listed.clips
    }


def _line(found: Found) -> tuple[str, ...]:
    row, streams = found.download, found.streams()
    kinds = " ".join(KINDS.get(one.kind, one.kind) for one in streams)
    if not row["codec"]:
        return *[""] * 5, kinds, "", "", found.reason, MEANING[Reason(found.reason)]
    with found.path.open("rb") as file:
        frames = len(survey(file.fileno(), Limits().pixels)[0])
    videos = [one for one in streams if one.kind == "video"]
    done = MEANING[Reason(found.reason)] if found.reason else "; ".join(_done(found, videos))
    return (
        row["container"].split(",")[0],
        row["codec"],
        videos[0].pixels,
        f"{row['width']}x{row['height']}",
        f"{row['rotation']}°" if row["rotation"] else "",
        kinds,
        str(row["packets"]),
        str(frames),
        found.reason or "packed",
        done,
    )


def _done(found: Found, videos: list[Stream]) -> Iterator[str]:
    """Yield what was done with a packed file that is not done with every file."""
    row, sample, first = found.download, found.sample, videos[0]
    if row["rotation"]:
        yield "turned upright"
    if len(videos) > 1:
        yield f"the first of {len(videos)} video streams"
    parts = av.VideoFormat(first.pixels).components
    if max(part.bits for part in parts) > 8:
        yield f"{parts[0].bits} bit to 8"
    if any(part.is_alpha for part in parts):
        yield "alpha left out"
    if first.frames and first.frames != row["packets"]:
        yield f"its header claims {first.frames} frames"
    if found.pack["errors"]:
        lost = found.pack["packets"] - found.pack["frames_decoded"]
        yield f"{lost} damaged frames left out"
    if sample["mirrored"]:
        yield "short: played to and fro"
    elif sample["stride"] != SPEC.rate:
        yield f"short: stride {sample['stride']}"


if __name__ == "__main__":
    main()
