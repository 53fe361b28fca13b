"""Who gets a clip, and why what nobody gets is refused."""

import threading

from manifests.reasons import Reason
from pipeline.fetch.cvdf.wanted import MANY, Split, Unread, refusals, stem_of_want
from pipeline.fetch.source import Want
from pipeline.fetch.taxonomy import Then


def want(clip, start=10.0, end=20.0):
    return Want(clip, 1, "youtube:-0abcdefghi", "-0abcdefghi", start, end)


def test_names_of_clips():
    assert stem_of_want(want("a", 1.5, 11.5)) == ("-0abcdefghi_000001_000011", 1.0)
    assert stem_of_want(want("a", None, None)) == ("-0abcdefghi", 0.0)


def test_one_file_serves_all_clips_of_its_name_and_one_thread_gets_it():
    split = Split("s")
    split.add(want("a", 1.2))
    split.add(want("b", 1.7))
    stem = "-0abcdefghi_000001_000020"
    took = []
    threads = [threading.Thread(target=lambda: took.append(split.take(stem))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(map(len, took)) == [0] * 7 + [2] and not split.wants
    split.give_back(stem, took[0] or [want("a")])
    assert split.wants


def test_only_the_last_end_is_the_end():
    split = Split("s", ends=3)
    assert [split.end() for _ in range(3)] == [False, False, True]


def refused(unread, classes=None, known=frozenset(), archives=3, clips=("x",)):
    split = Split("kinetics600 val", archives=archives, unread=[*unread])
    for number, clip in enumerate(clips):
        split.add(want(clip, float(number), number + 1.0))
    found = list(refusals(split, classes, set(known)))
    assert not split.wants and all(one.rule.then is Then.RETRY for one in found)
    return {w.clip_id: (one.rule.reason, one.message) for one in found for w in one.wants}


def test_why_it_is_refused():
    none = refused([])["x"]
    assert none == (Reason.NO_SOURCE, "none of CVDF's 3 archives of kinetics600 val has it")
    assert "CVDF's 1 archive of" in refused([], archives=1)["x"][1]
    assert "no archive" in refused([], archives=0)["x"][1]
    gone = Unread("http://h/a.tar.gz", Reason.REMOVED, "http://h/a.tar.gz: status 404")
    line = Unread("http://h/b.tar.gz", Reason.NETWORK, "http://h/b.tar.gz: timed out")
    assert refused([gone])["x"] == (
        Reason.NO_SOURCE,
        "it may be in an archive of kinetics600 val that could not be read: "
        "http://h/a.tar.gz: status 404",
    )
    reason, message = refused([gone, line])["x"]  # what may pass soon goes first
    assert reason is Reason.NETWORK and "timed out (1 more could not be read)" in message


def test_with_one_archive_a_class_each_clip_blames_its_own():
    gone = Unread("http://h/a.tar.gz", Reason.REMOVED, "404")
    odd = Unread("http://h/odd.tar.gz", Reason.CORRUPT, "damaged")
    classes = {"x": "a", "y": "b", "z": ""}
    found = refused([gone], classes, {"a", "b"}, clips="xyz")
    assert [found[clip][0] for clip in "xyz"] == [
        Reason.NO_SOURCE,
        Reason.NO_SOURCE,
        Reason.NO_SOURCE,
    ]
    found = refused([odd], classes, {"a", "b"}, clips="xyz")
    assert {reason for reason, _ in found.values()} == {Reason.CORRUPT}


def test_many_are_handed_over_in_pieces():
    split = Split("s", archives=1)
    for number in range(2 * MANY + 1):
        split.add(want(str(number), float(number), number + 1.0))
    sizes = [len(one.wants) for one in refusals(split, None, set())]
    assert sizes == [MANY, MANY, 1]
