"""Videos made on the spot, the shared real ones, and decoders that live for the whole session."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from pipeline.video.decoder import Decoder

Make = Callable[..., Path]
BITS = 8


def run_ffmpeg(*args: object, stdin: bytes | None = None) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-threads", "1"]
    if stdin is not None:
        command.remove("-nostdin")
    subprocess.run([*command, *map(str, args)], input=stdin, check=True)


def numbered_frames(count: int, size: int = 128) -> bytes:
    """Grey frames; frame k shows k in binary as columns, bright for 1, dark for 0."""
    bits = (np.arange(count)[:, None] >> np.arange(BITS)) & 1
    row = np.repeat(np.where(bits, 230, 25).astype(np.uint8), size // BITS, axis=1)
    return np.repeat(row[:, None, :], size, axis=1).tobytes()


def read_numbers(pixels: np.ndarray) -> list[int]:
    """The numbers that numbered_frames wrote, out of decoded pixels (T, H, W, 3)."""
    columns = pixels.mean(axis=(1, 3)).reshape(len(pixels), BITS, -1).mean(axis=2)
    return ((columns > 128) @ (1 << np.arange(BITS))).tolist()


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    return run_ffmpeg


@pytest.fixture(scope="session")
def numbers() -> Callable[[np.ndarray], list[int]]:
    return read_numbers


@pytest.fixture
def numbered(tmp_path: Path) -> Make:
    """A maker of numbered videos: name, number of frames, encoder arguments."""

    def make(name: str, count: int, *args: object, rate: int = 25) -> Path:
        path = tmp_path / name
        source = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", "128x128", "-r", rate, "-i", "-")
        run_ffmpeg(*source, *args, path, stdin=numbered_frames(count))
        return path

    return make


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """A maker of test pictures that move: name, source size, seconds, encoder arguments."""

    def make(name: str, size: str, seconds: float, *args: object) -> Path:
        path = tmp_path / name
        run_ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}", *args, path)
        return path

    return make


@pytest.fixture(scope="session")
def pyav() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


@pytest.fixture(scope="session")
def binary() -> Iterator[Decoder]:
    with Decoder(backend="ffmpeg") as decoder:
        yield decoder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos; the test skips where it is away."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("CLIPMILL_SHARED", root.parent / "shared"))
    if not (folder / "data" / "videos").is_dir():
        pytest.skip("needs the real videos in CLIPMILL_SHARED or ../shared")
    return folder
