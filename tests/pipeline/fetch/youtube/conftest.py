"""A mirror on loopback that has videos by id; and YouTube, played by pages that tell of videos."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from yt_dlp.extractor.youtube import YoutubeIE

from pipeline.fetch.source import Want
from pipeline.fetch.youtube.youtube import YouTube
from tests.pipeline.fetch.youtube.acting import played_by

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
    """Put a video's file under the site, and at /ID what YouTube's extractor tells of it."""

    def put(video: str, file: Path, duration_s: float = LONG_S, size: int | None = None) -> None:
        address = f"/media/{video}{file.suffix}"
        site.files[address] = file
        one = {
            "format_id": "134",
            "url": site.url + address,
            "ext": file.suffix[1:],
            "vcodec": "avc1.4d401e",
            "acodec": "none",
            "filesize": file.stat().st_size if size is None else size,
        }
        told = {"id": video, "title": "a video", "duration": duration_s, "formats": [one]}
        site.files[f"/{video}"] = json.dumps(told).encode()

    return put


@pytest.fixture
def played(site, tmp_path, monkeypatch) -> Callable[..., YouTube]:
    """A maker of YouTube itself, its extractor played by the site's pages."""

    def make(**options) -> YouTube:
        for name, value in played_by(site.url).items():
            monkeypatch.setattr(YoutubeIE, name, value)
        return YouTube(tmp_path / "cache", **options)

    return make


@pytest.fixture
def cutters(site) -> Callable[[], int]:
    """Count the ffmpeg processes that read from the site."""

    def count() -> int:
        command = ["ps", "-eww", "-o", "args"]  # whole lines
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return listed.count(f"-i {site.url}/")

    return count
