"""The pictures that trackers show: a confusion matrix, and the worst errors frame by frame.

Drawn once an epoch, in well under a second for 600 classes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from manifests.lettering import lettered
from model.confusion import confusion_png
from train.measured import Measured
from train.worst import Wrong

GAP = 4
LETTERS = 14  # pixels high
LINE = LETTERS + 8
LEAST_WIDTH = 480  # pixels, for the words over small frames


def confusion(split: str, measured: Measured, labels: Sequence[str]) -> bytes:
    """Return a split's confusion matrix as PNG."""
    top1 = f"{split}: top-1 {measured.result['top1']:.1%}"
    return confusion_png(measured.confusion, labels, top1)


def worst(errors: Sequence[Wrong], labels: Sequence[str]) -> bytes:
    """Return errors as PNG: over each row of frames the true label and the predicted one."""
    frames, high, wide = errors[0].frames.shape[:3]
    scale = max(1, round(64 / high))  # frames of a few pixels, of small experiments
    high, wide = high * scale, wide * scale
    row = LINE + high + GAP
    over = [lettered(said(error, labels), LETTERS) for error in errors]
    longest = max(round(font.getlength(words)) for font, words in over)
    width = max(frames * (wide + GAP) + GAP, longest + 2 * GAP, LEAST_WIDTH)
    picture = Image.new("RGB", (width, row * len(errors) + GAP), "white")
    draw = ImageDraw.Draw(picture)
    for number, error in enumerate(errors):
        top = number * row
        font, words = over[number]
        draw.text((GAP, top + GAP), words, fill="black", font=font)
        for place, frame in enumerate(error.frames):
            shown = Image.fromarray(frame).resize((wide, high), Image.Resampling.NEAREST)
            picture.paste(shown, (GAP + place * (wide + GAP), top + LINE))
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return sink.getvalue()


def said(error: Wrong, labels: Sequence[str]) -> str:
    """Say of an error what it is and what the network took it for."""
    return (
        f"true: {labels[error.truth]} · predicted: {labels[error.predicted]} "
        f"({error.confidence:.0%}) · {error.clip_id}"
    )


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Return a PNG as uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))
