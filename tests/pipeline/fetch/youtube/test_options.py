"""What YoutubeDL was really given, read from the object that fetched a video."""

import io
from pathlib import Path

import imageio_ffmpeg
import pytest

from pipeline.fetch.youtube.options import FORMAT
from pipeline.fetch.youtube.session import Session

ID = "-u8W9n8IOks"


@pytest.fixture
def session(youtube, tools) -> Session:
    return youtube()._session(tools)


def test_what_yt_dlp_was_told(session, tools, tmp_path):
    params = session.ydl.params
    assert params["format"] == FORMAT and params["format_sort"] == ["res:360", "+size", "+br"]
    assert params["retries"] == params["fragment_retries"] == tools.patience.retries > 0
    assert params["extractor_retries"] == tools.patience.retries
    assert set(params["retry_sleep_functions"]) == {"http", "fragment", "extractor"}
    assert 0 < params["socket_timeout"] <= tools.patience.stall
    assert params["continuedl"] is True and params["nopart"] is False
    assert params["noprogress"] and params["quiet"] and params["color"] == "never"
    assert params["noplaylist"] and params["allowed_extractors"] == ["generic"]
    assert list(params["js_runtimes"]) == ["deno", "node", "bun", "quickjs"]
    assert params["external_downloader"] is None and not params["remote_components"]
    assert params["ffmpeg_location"] == imageio_ffmpeg.get_ffmpeg_exe()
    assert params["cachedir"] == str(tmp_path / "cache")
    assert "cookiefile" not in params and "proxy" not in params
    assert not any(value for name, value in params.items() if name.startswith("write"))
    assert params["skip_unavailable_fragments"] is False


def test_only_youtubes_extractor_for_youtube(tools, tmp_path):
    from pipeline.fetch.youtube.youtube import YouTube

    source = YouTube(tmp_path)
    ydl = source._session(tools).ydl
    assert ydl.params["allowed_extractors"] == ["youtube"]
    names = {name.lower() for name in ydl._ies}
    assert "youtube" in names and "generic" not in names
    assert source._session(tools).ydl is ydl  # one a thread


def test_no_plugin_is_loaded(tools, tmp_path, youtube):
    from yt_dlp.globals import plugin_dirs, plugin_ies

    _ = youtube()._session(tools)
    assert plugin_dirs.value == [] and not plugin_ies.value


def test_the_format_is_the_smallest_near_360_lines_without_sound(session):
    formats = [
        ("18", 360, "avc1.42001E", "mp4a", 9_000, "https"),
        ("134", 360, "avc1.4d401e", "none", 5_000, "https"),
        ("230", 360, "avc1.4d401e", "none", 4_000, "m3u8_native"),
        ("396", 360, "av01.0", "none", 3_000, "https"),
        ("160", 144, "avc1.4d400c", "none", 1_000, "https"),
        ("137", 1080, "avc1.640028", "none", 90_000, "https"),
        ("140", None, "none", "mp4a", 2_000, "https"),
    ]

    def chosen(names):
        listed = [
            {
                "format_id": name,
                "height": height,
                "vcodec": video,
                "acodec": sound,
                "filesize": size,
                "protocol": protocol,
                "url": f"https://a.invalid/{name}",
                "ext": "mp4",
            }
            for name, height, video, sound, size, protocol in formats
            if name in names
        ]
        info = {"id": "x", "title": "x", "extractor": "youtube", "formats": listed}
        return session.ydl.process_video_result(info, download=False)["format_id"]

    assert chosen({name for name, *_ in formats}) == "134"
    assert chosen({"160", "137", "396"}) == "160"  # H.264 first, whatever its size
    assert chosen({"230", "160"}) == "160" and chosen({"230", "396"}) == "230"
    assert chosen({"18", "140"}) == "18" and chosen({"396"}) == "396"


def test_proxy_and_cookies_reach_yt_dlp(site, youtube, tools, tmp_path):
    file = tmp_path / "cookies.txt"
    file.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n")
    tools.proxy = "http://127.0.0.1:9"
    params = youtube(cookies=Path(file))._session(tools).ydl.params
    assert params["proxy"] == "http://127.0.0.1:9"
    assert isinstance(params["cookiefile"], io.StringIO)  # nothing of it on a disk
