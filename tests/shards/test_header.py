"""A row's bytes are its own clip, or it is said what they are instead; nothing is hashed."""

import dataclasses
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from manifests.local import LocalStorage
from manifests.spec import ClipSpec
from shards.format import Sample
from shards.header import require_header
from shards.write import Written

NAME = "train-000000.tar"
CLIPS = ["one", "two", "b" * 80]
Row = dict[str, Any]


@pytest.fixture(params=["raw", "jpeg"])
def codec(request: pytest.FixtureRequest, spec: ClipSpec) -> ClipSpec:
    return dataclasses.replace(spec, codec=request.param)


@pytest.fixture
def written(tmp_path: Path, codec: ClipSpec, shard: Callable[..., Written]) -> Written:
    return shard(LocalStorage(tmp_path), NAME, CLIPS, codec)


@pytest.fixture
def view(tmp_path: Path, written: Written) -> memoryview:
    return memoryview((tmp_path / "shards" / NAME).read_bytes())


def check(view: memoryview, row: Row, spec: ClipSpec) -> None:
    require_header(view, row["offset"], row["nbytes"], row["key"], spec)


def tar_of(name: str, data: bytes, **more: Any) -> tuple[memoryview, int]:
    """A tar of one member, and where its payload begins."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for key, value in more.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data))
    return memoryview(sink.getvalue()), 512


def test_what_pack_writes_is_good(view: memoryview, written: Written, codec: ClipSpec) -> None:
    for row in written.samples:
        check(view, row, codec)


def test_the_views_of_a_clip_are_told_apart(
    tmp_path: Path, codec: ClipSpec, sample: Callable[..., Sample]
) -> None:
    from shards.write import write_shard

    samples = [dataclasses.replace(sample("a", codec), view=n, several=True) for n in range(2)]
    written = write_shard(LocalStorage(tmp_path), NAME, "train", 0, samples, codec, {})
    assert written is not None
    view = memoryview((tmp_path / "shards" / NAME).read_bytes())
    one, two = written.samples
    check(view, one, codec)
    check(view, two, codec)
    with pytest.raises(ValueError, match=r"no tar header of a@v1.* but one of 'a@v0"):
        check(view, one | {"key": "a@v1"}, codec)


def test_another_clip_of_the_same_shape_is_named(
    view: memoryview, written: Written, codec: ClipSpec
) -> None:
    one, two, _ = written.samples
    place = {"offset": two["offset"], "nbytes": two["nbytes"]}
    with pytest.raises(ValueError, match=r"no tar header of one\..*but one of 'two\."):
        check(view, one | place, codec)


def test_a_prefix_of_a_name_is_not_the_name(
    view: memoryview, written: Written, codec: ClipSpec
) -> None:
    for key in ("tw", "two2", "", "two.npy\0", "b" * 79, "b" * 81, "b" * 200):
        row = written.samples[1] | {"key": key}
        with pytest.raises(ValueError, match="no tar header of"):
            check(view, row, codec)


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": -1},
        {"offset": 0},
        {"offset": 511},
        {"offset": -(2**63)},
        {"offset": 2**63 - 1},
        {"nbytes": 0},
        {"nbytes": -1},
        {"nbytes": 2**63 - 1},
        {"offset": -(2**62), "nbytes": 2**63 - 1},
    ],
)
def test_places_outside_are_refused(
    view: memoryview, written: Written, codec: ClipSpec, wrong: Row
) -> None:
    with pytest.raises(ValueError, match="outside the shard, which has"):
        check(view, written.samples[1] | wrong, codec)


def test_another_length_is_refused(view: memoryview, written: Written, codec: ClipSpec) -> None:
    row = written.samples[1]
    for by in (-1, 1, -512, 512):
        with pytest.raises(ValueError, match="is not of"):
            check(view, row | {"nbytes": row["nbytes"] + by}, codec)


def test_another_spec_is_refused(view: memoryview, written: Written, codec: ClipSpec) -> None:
    other = dataclasses.replace(codec, frames=codec.frames * 2, height=codec.height // 2)
    if codec.codec == "raw":  # a strip of twice as many frames of half the height is the same one
        with pytest.raises(ValueError, match=r"no .npy header of shape"):
            check(view, written.samples[0], other)
    for other in (
        dataclasses.replace(codec, width=codec.width * 2),
        dataclasses.replace(codec, codec="jpeg" if codec.codec == "raw" else "raw"),
    ):
        with pytest.raises(ValueError):
            check(view, written.samples[0], other)


class Bomb:
    """Pickled into an array of objects; to unpickle it raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code from data ran",))


@pytest.mark.parametrize("what", ["object", "fortran", "shape", "dtype", "version"])
def test_only_the_npy_of_the_spec_passes(spec: ClipSpec, what: str) -> None:
    pixels = np.zeros(spec.shape, np.uint8)
    sink = io.BytesIO()
    if what == "object":
        np.save(sink, np.array([Bomb()] * 9, object), allow_pickle=True)
    elif what == "fortran":
        np.save(sink, np.asfortranarray(pixels))
    elif what == "version":
        np.lib.format.write_array(sink, pixels, version=(2, 0))
    else:
        np.save(sink, pixels.reshape(-1) if what == "shape" else pixels.view(np.int8))
    data = sink.getvalue().ljust(spec.nbytes + 128, b"\0")[: spec.nbytes + 128]
    view, start = tar_of("a.npy", data)
    with pytest.raises(ValueError, match=r"no .npy header of shape"):
        require_header(view, start + 128, spec.nbytes, "a", spec)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_link_is_no_clip(spec: ClipSpec, kind: bytes) -> None:
    view, start = tar_of("a.npy", bytes(spec.nbytes + 128), type=kind, linkname="/etc/passwd")
    with pytest.raises(ValueError, match=r"is not of|no tar header"):
        require_header(view, start + 128, spec.nbytes, "a", spec)


def test_a_jpeg_that_would_fill_memory_is_refused_before_it_is_decoded(spec: ClipSpec) -> None:
    spec = dataclasses.replace(spec, codec="jpeg")
    small = np.zeros((spec.frames * spec.height, spec.width, 3), np.uint8)
    strip = bytearray(simplejpeg.encode_jpeg(small, quality=95, colorspace="RGB"))
    place = strip.index(b"\xff\xc0")
    strip[place + 5 : place + 9] = b"\xff\xdc\xff\xdc"  # 65,500 x 65,500: 12 GB
    view, start = tar_of("a.jpg", bytes(strip))
    with pytest.raises(ValueError, match="65500 rows of 65500 pixels; expected 4 frames of 16x16"):
        require_header(view, start, len(strip), "a", spec)
    view, start = tar_of("a.jpg", b"no jpeg at all" * 9)
    with pytest.raises(ValueError, match="do not begin as a jpeg"):
        require_header(view, start, 14 * 9, "a", spec)


@given(st.binary(max_size=1500), st.integers(-700, 2000), st.integers(-3, 2000), st.text())
def test_any_bytes_and_numbers_end_in_a_value_error(
    data: bytes, offset: int, nbytes: int, key: str
) -> None:
    for codec in ("raw", "jpeg"):
        spec = ClipSpec(frames=1, height=16, width=16, codec=codec)
        with pytest.raises(ValueError):
            require_header(memoryview(data), offset, nbytes, key, spec)
