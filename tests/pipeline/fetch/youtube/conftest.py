"""A mirror on loopback that has videos by id, as files or as pages that tell their length."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

from pipeline.fetch.source import Want
from pipeline.fetch.youtube.youtube import YouTube

ID = "-u8W9n8IOks"
LONG_S = 60


@pytest.fixture
def youtube(site, tmp_path) -> Callable[..., YouTube]:
    """A maker of the source over the site's files `/ID.mp4`."""

    def make(template: str = "{url}/{{id}}.mp4", **options) -> YouTube:
        return YouTube(tmp_path / "cache", template.format(url=site.url), **options)

    return make


@pytest.fixture
def want() -> Callable[..., Want]:
    """A maker of clips of a video: id, start, end."""

    def make(video: str = ID, start=None, end=None) -> Want:
        return Want(f"{video}_{start}_{end}", 1, f"youtube:{video}", video, start, end)

    return make


@pytest.fixture(scope="session")
def long_video(tmp_path_factory) -> Callable[[str], Path]:
    """A maker of a minute of video by its kind, with a key frame every ten seconds."""
    folder = tmp_path_factory.mktemp("long")
    kinds = {
        "mp4": ("libx264", "-bf", "3", "-preset", "veryfast"),
        "late.mp4": ("libx264", "-bf", "3", "-movflags", "frag_keyframe+empty_moov"),
        "mkv": ("libx264", "-bf", "3", "-preset", "veryfast"),
        "webm": ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    }

    def make(kind: str) -> Path:
        path = folder / f"video.{kind}"
        if not path.exists():
            source = f"testsrc2=s=96x64:r=30000/1001:d={LONG_S}"
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
            command += ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=d={LONG_S}"]
            command += ["-c:v", *kinds[kind], "-g", "300", "-keyint_min", "300"]
            subprocess.run([*command, "-threads", "1", str(path)], check=True)
        return path

    return make


@pytest.fixture
def page(site) -> Callable[..., None]:
    """Put a video's file under the site, and a page /ID that tells its length and size."""

    def put(video: str, file: Path, duration_s: float = LONG_S, size: int | None = None) -> None:
        address = f"/media/{video}{file.suffix}"
        site.files[address] = file
        told = {
            "@context": "https://schema.org",
            "@type": "VideoObject",
            "name": "a video",
            "contentUrl": site.url + address,
            "duration": f"PT{duration_s}S",
            "encodingFormat": f"video/{file.suffix[1:]}",
            "contentSize": str(file.stat().st_size if size is None else size),
        }
        script = f'<script type="application/ld+json">{json.dumps(told)}</script>'
        text = f"<!DOCTYPE html><html><head><title>v</title>{script}</head><body></body></html>"
        site.files[f"/{video}"] = text.encode()

    return put


@pytest.fixture
def cutters(site) -> Callable[[], int]:
    """Count the ffmpeg processes that read from the site."""

    def count() -> int:
        command = ["ps", "-eww", "-o", "args"]  # whole lines
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return listed.count(f"-i {site.url}/")

    return count
