"""Text in pictures: a font that has the letters of a label, and labels cut to a width.

Pillow's own font draws plain English alone, not even é. Other letters are looked for in the fonts
of the system (milliseconds, once a process); a letter that none of them has is written as its
number, \\u65e5, so that no label turns into empty boxes.
"""

from __future__ import annotations

import functools
import unicodedata

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Of fonts with many scripts first, then those of one script; names as Linux, macOS, Windows ship.
NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "FreeSans.ttf",
    "unifont.ttf",
    "unifont.otf",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "segoeui.ttf",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "Nirmala.ttf",
    "LeelawUI.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
)
_NO_LETTER = "\uffff"  # no font may have it: what is drawn for it is drawn for what is missing


def lettered(text: str, size: float) -> tuple[Font, str]:
    """Return a font of `size` pixels and `text` as one line that the font can draw.

    The first font that has every letter is taken, else the one that lacks fewest.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    best, lacking = 0, _lacking(0, line)
    for number in range(1, len(NAMES) + 1):
        if not lacking:
            break
        found = _lacking(number, line)
        if len(found) < len(lacking):
            best, lacking = number, found
    font = _font(best, size)
    assert font is not None
    return font, "".join(_written(letter) if letter in lacking else letter for letter in line)


def fitting(text: str, font: Font, room: float) -> str:
    """Return `text` as one line, cut with an ellipsis where it is longer than `room` pixels."""
    text = " ".join(text.split())  # Pillow measures single lines only
    if font.getlength(text) <= room:
        return text
    low, high = 0, len(text) - 1  # text[:low] and an ellipsis fit, or low is 0
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle] + "…") <= room:
            low = middle
        else:
            high = middle - 1
    return text[: max(low, 0)] + "…"


@functools.lru_cache(maxsize=256)
def _font(number: int, size: float) -> Font | None:
    """Number 0 is Pillow's own font, always there."""
    if number == 0:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(NAMES[number - 1], size)
    except OSError:
        return None


def _lacking(number: int, text: str) -> frozenset[str]:
    return frozenset(letter for letter in text if not _has(number, letter))


@functools.lru_cache(maxsize=65_536)
def _has(number: int, letter: str) -> bool:
    font = _font(number, 16)
    if font is None:
        return False
    return letter.isspace() or _drawn(font, letter) != _drawn(font, _NO_LETTER)


def _drawn(font: Font, letter: str) -> bytes:
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((12, 12), letter, "white", font)
    return image.tobytes()


def _written(letter: str) -> str:
    """What stands for a letter that no font has; joiners and selectors have no shape of their own.

    Drawn as text a joiner would be an empty box.
    """
    if unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f":
        return ""
    return letter.encode("ascii", "backslashreplace").decode()
