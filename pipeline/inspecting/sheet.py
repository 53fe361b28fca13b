"""Contact sheets: a clip frame by frame, a class clip by clip, a page of clips of all classes.

Draws in 0.1 to 0.5 s; a sheet is at most about 1,600 x 2,200 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from manifests.console import size
from pipeline.inspecting.canvas import GREY, LEAST_WIDTH, MARGIN, SMALL, TITLE, Canvas, Line
from pipeline.inspecting.layout import MOST_FRAMES, Size, evenly, grid, scaled
from pipeline.inspecting.stored import Stored

GAP = 8
CELL = 112  # least width: a frame's number and time stand in it
CLASS_CLIPS = 10  # rows on a class's page
CLASS_FRAMES, CLASS_BOX, CLASS_WORDS = 6, 160, 340
RANDOM_CLIPS, RANDOM_COLUMNS, RANDOM_LEAST = 48, 8, 160


def clip_sheet(clip: Stored, splits: str) -> Image.Image:
    """Draw a clip's stored frames, or 64 of them evenly chosen, with all that is known of it.

    `splits` says where the clip belongs.
    """
    places = evenly(len(clip.pixels), MOST_FRAMES)
    columns, picture = grid(len(places), _frame(clip))
    cell = Size(max(picture.width, CELL) + GAP, picture.height + SMALL + 2 * GAP)
    rows = -(-len(places) // columns)
    row, spec = clip.row, clip.pixels.shape
    shown = "" if len(places) == len(clip.pixels) else f", {len(places)} of them below"
    head = [
        Line(clip.label, TITLE),
        Line(clip.key),
        Line(f"class {_number(clip)} · {splits} · video {clip.about['video_id']} · {clip.span}"),
        Line(
            f"stored: {spec[0]} frames of {spec[1]}x{spec[2]}{shown} · {row['codec']}, "
            f"{size(row['nbytes'])} at byte {row['offset']:,} of shards/{row['shard']}, "
            f"sample {row['index']}",
        ),
        Line(f"taken: {clip.sampling} · {clip.fps} · decoded: {clip.decoding or 'not recorded'}"),
        Line("below each picture: frame of the video · time at constant rate", SMALL, GREY),
    ]
    canvas = Canvas(columns * cell.width - GAP + 2 * MARGIN, rows * cell.height, head)
    for number, place in enumerate(places):
        left = MARGIN + number % columns * cell.width
        top = canvas.top + number // columns * cell.height
        canvas.lay(clip.pixels[place], left, top, max(picture))
        words = Line(clip.moment(place), SMALL)
        canvas.write([words], left, top + picture.height + 2, cell.width - GAP)
    return canvas.picture


def class_sheet(title: str, notes: str, clips: Sequence[tuple[Stored, str]]) -> Image.Image:
    """Draw one row a clip: what it is on the left, six frames from its first to its last.

    Each clip comes with its splits in words.
    """
    picture = scaled(_frame(clips[0][0]), CLASS_BOX)
    count = min(CLASS_FRAMES, len(clips[0][0].pixels))
    cell = Size(max(picture.width, CELL) + GAP, max(picture.height + SMALL + 2 * GAP, 112))
    head = [Line(title, TITLE), Line(notes, SMALL, GREY)]
    width = CLASS_WORDS + count * cell.width + 2 * MARGIN
    words_room = max(width, LEAST_WIDTH) - count * cell.width - 2 * MARGIN
    canvas = Canvas(width, len(clips) * cell.height, head)
    for number, (clip, splits) in enumerate(clips):
        top = canvas.top + number * cell.height
        lines = [
            Line(clip.key),
            Line(f"{splits} · video {clip.about['video_id']}", SMALL),
            Line(clip.span, SMALL),
            Line(f"{clip.sampling} · {clip.fps}", SMALL),
            Line(f"shards/{clip.row['shard']}, sample {clip.row['index']}", SMALL, GREY),
        ]
        canvas.write(lines, MARGIN, top, words_room - GAP)
        for column, place in enumerate(evenly(len(clip.pixels), CLASS_FRAMES)):
            left = MARGIN + words_room + column * cell.width
            canvas.lay(clip.pixels[place], left, top, CLASS_BOX)
            words = Line(clip.moment(place), SMALL)
            canvas.write([words], left, top + picture.height + 2, cell.width - GAP)
    return canvas.picture


def random_sheet(title: str, notes: str, clips: Sequence[tuple[Stored, str]]) -> Image.Image:
    """Draw each clip's middle frame with its label, its splits and its id below."""
    columns, picture = grid(len(clips), _frame(clips[0][0]), columns=RANDOM_COLUMNS)
    cell = Size(max(picture.width, RANDOM_LEAST) + GAP, picture.height + 72)
    head = [Line(title, TITLE), Line(notes, SMALL, GREY)]
    rows = -(-len(clips) // columns)
    canvas = Canvas(columns * cell.width - GAP + 2 * MARGIN, rows * cell.height, head)
    for number, (clip, splits) in enumerate(clips):
        left = MARGIN + number % columns * cell.width
        top = canvas.top + number // columns * cell.height
        canvas.lay(clip.pixels[len(clip.pixels) // 2], left, top, max(picture))
        lines = [Line(clip.label), Line(splits, SMALL), Line(clip.key, SMALL, GREY)]
        canvas.write(lines, left, top + picture.height + 2, cell.width - GAP)
    return canvas.picture


def _frame(clip: Stored) -> Size:
    _, height, width, _ = clip.pixels.shape
    return Size(width, height)


def _number(clip: Stored) -> str:
    number = clip.row["label_id"]
    return "none" if number is None else str(number)
