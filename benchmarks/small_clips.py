"""Many small videos for the benchmarks of downloading, each one with bytes of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

REPO = Path(__file__).resolve().parents[1]
KINDS = 20
COMMENT = b"clip 000000000"


def small_clips(count: int) -> list[bytes]:
    """Return mp4s of one second, 160x120, about 15 kB, their index first as on web servers.

    There are 20 kinds; a comment among the metadata tells their clips apart.
    """
    with tempfile.TemporaryDirectory() as temporary:
        kinds = [_video(Path(temporary) / f"{kind}.mp4", kind) for kind in range(KINDS)]
    return [
        kinds[number % KINDS].replace(COMMENT, b"clip %09d" % number) for number in range(count)
    ]


def _video(path: Path, kind: int) -> bytes:
    source = f"testsrc2=size=160x120:rate=25:duration=1,hue=h={360 * kind // KINDS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi"]
    command += ["-i", source, "-pix_fmt", "yuv420p", "-movflags", "faststart"]
    command += ["-metadata", f"comment={COMMENT.decode()}", str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()


def root_of(urls: list[str], folder: Path) -> Path:
    """Annotate a root whose clips lie at web addresses, in ten classes."""
    lines = ["path,label,split", *(f"{url},class{n % 10},train" for n, url in enumerate(urls))]
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    root = folder / "root"
    clipmill("annotate", "folder", "--csv", folder / "list.csv", "--root", root, "-q")
    return root


def clipmill(*arguments: object, code: int = 0) -> str:
    """Run a verb and return what it printed; it must end with `code`."""
    command = [sys.executable, str(REPO / "clipmill.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != code:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout
