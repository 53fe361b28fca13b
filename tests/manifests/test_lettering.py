"""Labels of any script can be drawn, or read as numbers; none becomes boxes, none overflows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from manifests import lettering
from manifests.lettering import fitting, lettered

JAPANESE = "日本"


def has_system_font() -> bool:
    try:
        ImageFont.truetype("DejaVuSans.ttf", 16)
    except OSError:
        return False
    return True


def test_english_is_drawn_with_pillows_own_font():
    font, text = lettered("passing American football (in game)", 18)
    assert text == "passing American football (in game)"
    assert font.getlength(text) == ImageFont.load_default(18).getlength(text)


@pytest.mark.skipif(not has_system_font(), reason="needs DejaVuSans.ttf")
@pytest.mark.parametrize("text", ["café à la crème", "бег по кругу", "ركض", "½×3 → ∞"])
def test_other_letters_are_drawn_with_a_font_that_has_them(text):
    font, line = lettered(text, 18)
    assert line == text
    for letter in set(text) - {" "}:
        assert picture(font, letter) != picture(font, "\uffff"), letter


def test_a_letter_that_no_font_has_is_written_as_its_number(monkeypatch):
    monkeypatch.setattr(lettering, "NAMES", ())
    assert lettered(f"go {JAPANESE}!", 18)[1] == r"go \u65e5\u672c!"
    assert lettered("run \U0001f3c3\u200d\ufe0f", 18)[1] == r"run \U0001f3c3"


def test_a_font_that_lacks_fewest_letters_is_taken(monkeypatch):
    if not has_system_font():
        pytest.skip("needs DejaVuSans.ttf")
    monkeypatch.setattr(lettering, "NAMES", ("no such font.ttf", "DejaVuSans.ttf"))
    lettering._has.cache_clear()
    lettering._font.cache_clear()
    try:
        font, line = lettered("бег " + JAPANESE, 18)
    finally:
        lettering._has.cache_clear()
        lettering._font.cache_clear()
    assert line == r"бег \u65e5\u672c"
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.getname()[0] == "DejaVu Sans"


def test_what_is_composed_becomes_one_letter_and_lines_one_line(monkeypatch):
    monkeypatch.setattr(lettering, "NAMES", ())
    assert lettered("a\nb\t c", 18)[1] == "a b c"
    assert lettered("cafe\u0301", 18)[1] == r"caf\xe9"


def test_a_long_name_is_cut_and_a_short_one_is_not():
    font = ImageFont.load_default(18)
    long = "brushing teeth while standing on one leg in the kitchen of an old house"
    cut = fitting(long, font, 200)
    assert cut.endswith("…")
    assert long.startswith(cut[:-1])
    assert font.getlength(cut) <= 200 < font.getlength(long[: len(cut)] + "…")
    assert fitting("run", font, 200) == "run"
    assert fitting("two\nlines\tof it", font, 999) == "two lines of it"
    assert fitting("run", font, -5) == "…"
    assert fitting("", font, -5) == "…"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.floats(20, 400))
def test_any_text_fits_and_can_be_drawn(text, room):
    font, line = lettered(text, 15)
    cut = fitting(line, font, room)
    assert font.getlength(cut) <= room or cut == "…"
    ImageDraw.Draw(Image.new("L", (500, 40))).text((0, 20), cut, "white", font, anchor="lm")


def picture(font, text: str) -> bytes:
    image = Image.new("L", (60, 60))
    ImageDraw.Draw(image).text((15, 15), text, "white", font)
    return image.tobytes()
