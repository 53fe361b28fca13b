"""Facts of a file come from its packets: counts, times, the right stream, the turned picture."""

import numpy as np
import pytest

from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video.errors import VideoError

X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")


def reason(decoder, path):
    with pytest.raises(VideoError) as error:
        decoder.probe(path)
    with pytest.raises(VideoError) as again:
        decoder.decode(path, ClipSpec())
    assert again.value.reason is error.value.reason
    return error.value.reason


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"])
def test_packets_are_counted(numbered, pyav, name):
    video = numbered(name, 40, *X264, "-bf", 3)
    probe = pyav.probe(video)
    assert (probe.packets, probe.codec, probe.width, probe.height) == (40, "h264", 128, 128)
    assert probe.fps == pytest.approx(25, rel=0.02)
    assert probe.duration_s == pytest.approx(1.6, rel=0.02)
    assert probe.size == video.stat().st_size and probe.rotation == 0
    assert np.allclose(probe.times, np.arange(40) / 25, atol=0.0015)


def test_variable_frame_rate_times(numbered, ffmpeg, pyav, numbers, tmp_path):
    steady = numbered("steady.mkv", 50, *X264, rate=10)
    video = tmp_path / "vfr.mkv"
    drop = "select='lt(n,20)+gte(n,40)'"
    ffmpeg(
        "-i",
        steady,
        "-vf",
        drop,
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1:10",
        *X264,
        video,
    )
    probe = pyav.probe(video)
    assert probe.packets == 30
    assert np.allclose(probe.times, [*np.arange(20) / 10, *(4 + np.arange(10) / 10)], atol=0.002)
    # One frame a second: the pause shows the last frame before it, 19, again and again.
    clip = pyav.decode(video, ClipSpec(frames=5, sampling="fps", rate=1))
    assert numbers(clip.pixels) == [5, 15, 19, 19, 45]


def test_first_real_video_stream(made, ffmpeg, pyav, binary, tmp_path):
    small = made("small.mp4", "64x48", 1, *X264)
    large = made("large.mp4", "320x240", 0.4, *X264)
    cover, song = tmp_path / "cover.png", tmp_path / "song.m4a"
    ffmpeg("-i", large, "-frames:v", 1, cover)
    two, covered = tmp_path / "two.mkv", tmp_path / "covered.mp4"
    ffmpeg("-i", small, "-i", large, "-map", 0, "-map", 1, "-c", "copy", two)
    assert (pyav.probe(two).width, pyav.probe(two).packets) == (64, 25)
    covers = ("-map", 1, "-map", 0, "-c", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg("-i", small, "-i", cover, *covers, covered)
    probe = pyav.probe(covered)
    assert (probe.codec, probe.packets) == ("h264", 25)
    spec = ClipSpec(frames=4)
    for path in (two, covered):
        assert np.array_equal(pyav.decode(path, spec).pixels, binary.decode(path, spec).pixels)
    sine = ("-f", "lavfi", "-i", "sine=d=1")
    ffmpeg(*sine, "-i", cover, "-c:v", "copy", "-disposition:v:0", "attached_pic", song)
    assert reason(pyav, song) is Reason.NO_VIDEO


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.ogg", "a.flac", "a.mp4", "a.mkv"])
def test_sound_alone_is_no_video(ffmpeg, pyav, tmp_path, name):
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / name)
    assert reason(pyav, tmp_path / name) is Reason.NO_VIDEO


def test_what_is_not_utf_8_does_no_harm(made, pyav):
    video = made("a.avi", "64x48", 1, "-c:v", "mpeg4", "-metadata", "title=plainplain")
    content = video.read_bytes()
    assert b"plainplain" in content
    video.write_bytes(content.replace(b"plainplain", b"pl\xe4\xff\xfe\xc3plan"[:10]))
    assert pyav.probe(video).packets == 25
    assert pyav.decode(video, ClipSpec(frames=4)).frames_decoded > 0


@pytest.mark.parametrize("kind", ["ffconcat", "m3u8", "dash", "sdp"])
def test_a_playlist_opens_no_other_file(made, pyav, binary, tmp_path, kind):
    other = made("other.avi", "64x48", 1, "-c:v", "mpeg4")
    playlist = tmp_path / "innocent.avi"
    texts = {
        "ffconcat": f"ffconcat version 1.0\nfile '{other.name}'\n",
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        "dash": f'<?xml version="1.0"?><MPD><Period><BaseURL>{other}</BaseURL></Period></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    }
    playlist.write_text(texts[kind])
    for decoder in (pyav, binary):
        assert reason(decoder, playlist) in (Reason.FORMAT, Reason.UNREADABLE)


def test_formats_off_the_list(made, pyav):
    assert reason(pyav, made("a.nut", "64x48", 1, *X264)) is Reason.FORMAT


def test_too_many_pixels(made, pyav, binary):
    video = made("huge.mp4", "8160x8160", 0.04, "-c:v", "mjpeg", "-q:v", 20, "-pix_fmt", "yuvj420p")
    for decoder in (pyav, binary):
        assert reason(decoder, video) is Reason.TOO_LARGE


def test_garbage(pyav, tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    assert reason(pyav, path) in (Reason.UNREADABLE, Reason.FORMAT, Reason.NO_VIDEO)
