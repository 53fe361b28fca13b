"""A piece gives the frames of the whole file, and a broken line never passes for one."""

import subprocess
import threading
import time
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest

from manifests.errors import StoppedError
from manifests.spec import ClipSpec
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace, Rates
from pipeline.fetch.youtube import cut
from pipeline.video.decoder import Decoder

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SPEC = ClipSpec(frames=16, rate=2, height=32, width=32)


@pytest.fixture
def asked(site, long_video):
    """A maker of what to cut: kind of video, start, end."""

    def make(kind, start, end):
        site.files["/v"] = long_video(kind)
        extension = cut.extension_for(kind.rpartition(".")[2])
        return cut.Cut(f"{site.url}/v", {"X-Test": "1"}, "", start, end, extension)

    return make


@pytest.fixture
def out(tools):
    path = tools.storage.place("piece")
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("kind", ["mp4", "late.mp4", "webm", "mkv"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 4.0), (9.0, 12.0), (33.0, 43.0), (20.02, 24.5)])
def test_frames_are_those_of_the_whole_file(kind, start, end, asked, out, tools, long_video):
    """Key frames are ten seconds apart: a piece begins well before its clip."""
    began = cut.run(FFMPEG, asked(kind, start, end + 1), out, tools, end)
    assert 0 <= began <= start + 1e-5
    with Decoder() as decoder:
        whole = decoder.decode(long_video(kind), SPEC, start, end)
        piece = decoder.decode(out, SPEC, start - began, end - began)
        held = decoder.probe(out)
    assert np.array_equal(whole.pixels, piece.pixels)
    assert len(set(whole.indices - piece.indices)) == 1
    assert whole.stride == piece.stride and held.missing_s < 0.5
    assert held.duration_s < end - began + 2  # and not the whole file


@pytest.mark.parametrize("rate", ["25", "30", "30000/1001", "24000/1001"])
def test_a_frame_on_the_edge_of_a_clip_stays_on_its_side(rate, tmp_path, out, tools, site):
    path = tmp_path / "edge.mp4"
    source = f"testsrc2=s=48x32:r={rate}:d=14"
    command = [FFMPEG, "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-g", "83"]
    subprocess.run([*command, "-c:v", "libx264", "-bf", "2", str(path)], check=True)
    site.files["/v"] = path
    spec = replace(SPEC, frames=4, sampling="uniform", rate=1)
    with Decoder() as decoder:
        for start in range(5, 11):
            asked = cut.Cut(f"{site.url}/v", {}, "", start, start + 2, "mp4")
            began = cut.run(FFMPEG, asked, out, tools, start + 1)
            whole = decoder.decode(path, spec, start, start + 1)
            piece = decoder.decode(out, spec, start - began, start + 1 - began)
            assert np.array_equal(whole.pixels, piece.pixels), start


def test_a_drop_in_mid_media_is_taken_up_by_range(asked, out, tools, site, fault):
    wanted = asked("mp4", 5.0, 25.0)
    site.faults = lambda path, number: fault(drop_after=100_000) if number < 8 else None
    began = cut.run(FFMPEG, wanted, out, tools, 24.0)
    with Decoder() as decoder:
        assert decoder.probe(out).duration_s > 24 - began
    assert len([start for _, start in site.ranges if start]) > 2


@pytest.mark.parametrize("how", ["drop_after", "short_after"])
def test_a_line_that_stays_broken_is_no_success(how, asked, out, tools, site, fault):
    wanted = asked("mp4", 5.0, 25.0)
    tools.patience = replace(tools.patience, retries=1)

    def faults(path, number):
        return fault(**{how: 60_000}) if number < 3 else fault(status=503)

    site.faults = faults
    with pytest.raises(FetchError) as caught:
        cut.run(FFMPEG, wanted, out, tools, 24.0)
    assert str(caught.value.rule.reason) == "network"


def test_a_file_cut_under_a_false_length_is_no_success(asked, out, tools, site, fault):
    """The index comes first and is whole: ffmpeg itself says that all went well."""
    wanted = asked("webm", 5.0, 25.0)
    size = site.files["/v"].stat().st_size
    site.faults = lambda path, number: fault(cut_at=size // 4)
    with pytest.raises(FetchError, match=r"s asked|no picture|exited"):
        cut.run(FFMPEG, wanted, out, tools, 24.0)


def test_past_the_end_is_no_success(asked, out, tools):
    with pytest.raises(FetchError, match=r"s asked|no picture|exited"):
        cut.run(FFMPEG, asked("mp4", 100.0, 110.0), out, tools, 110.0)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_told_as_the_server_words_it(status, asked, out, tools, site, fault):
    site.faults = lambda path, number: fault(status=status)
    with pytest.raises(FetchError, match="ffmpeg exited with code") as caught:
        cut.run(FFMPEG, asked("mp4", 1.0, 5.0), out, tools, 5.0)
    assert str(caught.value.rule.reason) == "network"  # the address has expired: look again
    assert site.url not in caught.value.message


def test_a_stall_ends_and_so_does_a_stop(asked, out, tools, site, fault, cutters):
    wanted = asked("mp4", 5.0, 25.0)
    tools.patience = replace(tools.patience, retries=0)
    site.faults = lambda path, number: fault(stall_after=50_000)
    began = time.monotonic()
    with pytest.raises(FetchError):
        cut.run(FFMPEG, wanted, out, tools, 25.0)
    assert time.monotonic() - began < 12
    site.faults = lambda path, number: fault(drip=0.2)
    seen = []
    threading.Timer(0.5, lambda: (seen.append(cutters()), tools.stop.set())).start()
    began = time.monotonic()
    with pytest.raises(FetchError, match="interrupted"):
        cut.run(FFMPEG, wanted, out, tools, 25.0)
    assert time.monotonic() - began < 2
    assert seen == [1] and cutters() == 0


def test_a_full_disk_stops_it(asked, out, tools, site, fault):
    wanted = asked("mp4", 5.0, 25.0)
    site.faults = lambda path, number: fault(drip=0.01)
    threading.Timer(0.3, setattr, (tools, "keep_free", 1 << 60)).start()
    with pytest.raises(StoppedError, match="free"):
        cut.run(FFMPEG, wanted, out, tools, 25.0)


def test_its_bytes_count_for_the_bandwidth(asked, out, tools):
    wanted = asked("mp4", 5.0, 25.0)
    tools.pace = Pace(Rates(bytes_s=400_000))
    began = time.monotonic()
    cut.run(FFMPEG, wanted, out, tools, 24.0)
    assert time.monotonic() - began >= 0.5 * out.stat().st_size / 400_000


def test_a_playlist_leads_to_no_file_of_this_machine(out, tools, site, long_video, tmp_path):
    path = tmp_path / "secret.ts"
    command = [FFMPEG, "-nostdin", "-v", "error", "-i", str(long_video("mp4")), "-c", "copy"]
    subprocess.run([*command, "-map", "0:v", str(path)], check=True)
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXTINF:60,\n"
    wanted = cut.Cut(f"{site.url}/v.m3u8", {}, "", 1.0, 5.0, "mp4")
    site.files["/secret.ts"] = path
    site.files["/v.m3u8"] = f"{head}{site.url}/secret.ts\n#EXT-X-ENDLIST\n".encode()
    cut.run(FFMPEG, wanted, out, tools, 5.0)
    site.files["/v.m3u8"] = f"{head}file://{path}\n#EXT-X-ENDLIST\n".encode()
    with pytest.raises(FetchError):
        cut.run(FFMPEG, wanted, out, tools, 5.0)
