"""The filter chain: sizes that come out, and pictures that stand upright."""

import itertools

import av
import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.video.converter import Converter
from pipeline.video.graph import Orientation, Step, chain

SPECS = [
    ClipSpec(frames=1, rate=1, height=height, width=width, fit=fit)
    for fit, (height, width) in itertools.product(
        ("crop", "stretch", "pad"), ((64, 64), (40, 90), (90, 40))
    )
]


def names(orientation, fit):
    return [step.name for step in chain(orientation, ClipSpec(fit=fit))]


WOVEN = ["scale", "format"]


def test_one_chain_for_all_sizes():
    assert names(Orientation(), "stretch") == ["scale", "format", *WOVEN]
    assert names(Orientation(), "crop") == ["scale", "format", "crop", *WOVEN]
    assert names(Orientation(90), "pad") == ["scale", "format", "transpose", "pad", *WOVEN]
    turned = ["scale", "format", "vflip", "hflip", "vflip", *WOVEN]
    assert names(Orientation(180, True), "stretch") == turned


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuvj420p"])
def test_three_planes_hold_what_rgb_side_by_side_would(made, pixels):
    codec = "mjpeg" if pixels == "yuvj420p" else "ffv1"
    video = made("a.mkv", "322x182", 0.2, "-c:v", codec, "-pix_fmt", pixels)
    steps = chain(Orientation(), ClipSpec())
    flags = dict(steps[0].options)
    direct = (Step("scale", flags), Step("format", {"pix_fmts": "rgb24"}), *steps[2:-2])
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            assert np.array_equal(Converter(steps)(frame), Converter(direct)(frame))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.fit}-{spec.width}x{spec.height}")
@pytest.mark.parametrize("size", ["320x240", "240x320", "322x182", "16x16"])
def test_any_source_fits(made, pyav, spec, size):
    video = made("a.mkv", size, 0.04, "-c:v", "ffv1", "-pix_fmt", "yuv444p")
    clip = pyav.decode(video, spec)
    assert clip.pixels.shape == spec.shape
    black_rows = (clip.pixels[0].max(axis=(1, 2)) < 8).sum()
    black_columns = (clip.pixels[0].max(axis=(0, 2)) < 8).sum()
    width, height = map(int, size.split("x"))
    scale = min(spec.width / width, spec.height / height)
    if spec.fit == "pad":
        assert abs(spec.height - height * scale - black_rows) <= 3
        assert abs(spec.width - width * scale - black_columns) <= 3
    else:
        assert black_rows <= 2 and black_columns <= 2


# (rotation of the input option, counter-clockwise; flips) -> what a player shows, by numpy.
TURNS = [
    ((0,), lambda p: p),
    ((90,), lambda p: np.rot90(p, 1)),
    ((180,), lambda p: np.rot90(p, 2)),
    ((270,), lambda p: np.rot90(p, 3)),
]


@pytest.mark.parametrize("flip", [None, "-display_hflip", "-display_vflip"])
@pytest.mark.parametrize(("turn", "shown"), TURNS, ids=["0", "90", "180", "270"])
def test_pictures_stand_upright_like_ffmpeg_shows_them(
    made, ffmpeg, pyav, binary, tmp_path, turn, shown, flip
):
    plain = made("plain.mp4", "96x64", 0.2, "-c:v", "libx264", "-pix_fmt", "yuv444p")
    turned, reference = tmp_path / "turned.mp4", tmp_path / "reference.rgb"
    flips = [flip] if flip else []
    ffmpeg("-display_rotation", *turn, *flips, "-i", plain, "-c", "copy", turned)
    # ffmpeg's own automatic rotation is the oracle for what upright means.
    ffmpeg("-i", turned, "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", reference)
    sideways = turn[0] in (90, 270)
    height, width = (96, 64) if sideways else (64, 96)
    expected = np.fromfile(reference, np.uint8).reshape(height, width, 3).astype(int)
    spec = ClipSpec(frames=1, rate=1, height=height, width=width, fit="stretch")
    uniform = ClipSpec(frames=5, rate=1, height=height, width=width, fit="stretch")
    first = pyav.decode(turned, uniform).pixels[0].astype(int)
    assert np.abs(first - expected).mean() < 3
    if flip is None:
        level = pyav.decode(plain, ClipSpec(frames=5, rate=1, height=64, width=96, fit="stretch"))
        assert np.abs(first - shown(level.pixels[0].astype(int))).mean() < 3
    assert np.array_equal(pyav.decode(turned, spec).pixels, binary.decode(turned, spec).pixels)
