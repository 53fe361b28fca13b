"""The box with a prediction's classes that is laid over a video: transparent, drawn once."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from manifests.lettering import fitting, lettered

LINES = 3
PADDING = 8


def banner(width: int, best: Sequence[tuple[str, float]]) -> tuple[bytes, int]:
    """Return RGBA bytes (height, width, 4) and the height, for up to three (label, probability).

    Each class has its whole name, shortened only where the video is too narrow for it, its
    probability, and a bar as long as that.
    """
    size = max(12, min(28, width // 26))
    font = ImageFont.load_default(size)
    line = size + 8
    height = line * min(len(best), LINES) + 2 * PADDING
    height += height % 2
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 150))
    draw = ImageDraw.Draw(picture)
    for number, (label, probability) in enumerate(best[:LINES]):
        top = PADDING + number * line
        bar = round((width - 2 * PADDING) * probability)
        if bar > 0:
            draw.rectangle((PADDING, top, PADDING + bar, top + line - 4), fill=(46, 125, 50, 170))
        share = f"{probability:.0%}"
        room = width - 2 * PADDING - font.getlength(share) - 12
        middle = top + (line - 4) // 2
        own, name = lettered(label, size)
        name = fitting(name, own, room)
        draw.text((PADDING + 4, middle), name, fill="white", font=own, anchor="lm")
        draw.text((width - PADDING - 4, middle), share, fill="white", font=font, anchor="rm")
    return picture.tobytes(), height
