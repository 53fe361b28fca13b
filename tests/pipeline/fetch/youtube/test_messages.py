"""What yt-dlp raises, as it really words it: its own classes through its own front door."""

import pytest
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UnavailableVideoError

from manifests.errors import StoppedError
from manifests.reasons import Reason
from pipeline.fetch.errors import FetchError
from pipeline.fetch.taxonomy import Then
from pipeline.fetch.youtube.messages import plain
from pipeline.fetch.youtube.session import Session
from pipeline.fetch.youtube.youtube import YouTube

ID = "-u8W9n8IOks"
HINT = YoutubeIE()._youtube_login_hint
LIMITED = (
    "Video unavailable. This content isn't available, try again later. The current session has "
    "been rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep`"
)
TERMINATED = (
    "Video unavailable. This video is no longer available because the YouTube account associated "
    "with this video has been terminated."
)
# What YouTubeIE raises: reason and sub-reason of the page, with what it adds to some.
SAID = [
    (f"Sign in to confirm you’re not a bot. {HINT}", Then.PAUSE, Reason.BLOCKED),
    (LIMITED, Then.PAUSE, Reason.BLOCKED),
    (
        "All player responses are invalid. Your IP is likely being blocked by Youtube",
        Then.PAUSE,
        Reason.BLOCKED,
    ),
    (
        "Video unavailable. YouTube is requiring a captcha challenge before playback",
        Then.PAUSE,
        Reason.BLOCKED,
    ),
    (f"Private video. Sign in if you've been granted access. {HINT}", Then.RETRY, Reason.ACCESS),
    (f"Sign in to confirm your age. {HINT}", Then.RETRY, Reason.ACCESS),
    ("Join this channel to get access to members-only content", Then.RETRY, Reason.ACCESS),
    (
        "Video unavailable. This video contains content from X, who has blocked it in your "
        "country on copyright grounds",
        Then.RETRY,
        Reason.GEO,
    ),
    ("Video unavailable. This video has been removed by the uploader", Then.GONE, Reason.REMOVED),
    (TERMINATED, Then.GONE, Reason.REMOVED),
    (
        "This video has been removed for violating YouTube's Terms of Service",
        Then.GONE,
        Reason.REMOVED,
    ),
    (
        "Video unavailable. This video is no longer available due to a copyright claim by X",
        Then.GONE,
        Reason.REMOVED,
    ),
    ("This video does not exist.", Then.GONE, Reason.REMOVED),
    ("Video unavailable", Then.GONE_TWICE, Reason.UNAVAILABLE),
    ("This video is not available", Then.GONE_TWICE, Reason.UNAVAILABLE),
    ("This video is DRM protected", Then.RETRY, Reason.NO_FORMAT),
    ("The page needs to be reloaded.", Then.RETRY, Reason.UNKNOWN),
]


@pytest.fixture
def session(tmp_path, tools) -> Session:
    """A session whose only extractor does what `session.acts` does."""
    one = YouTube(tmp_path)._session(tools)

    class ActingIE(InfoExtractor):
        IE_NAME = "youtube"
        _VALID_URL = r"https?://.*"

        def _real_extract(self, url):
            return one.acts(self)

    one.ydl._ies.clear()
    one.ydl.add_info_extractor(ActingIE(one.ydl))
    return one


def told(session, act) -> FetchError:
    session.acts = act
    with pytest.raises(FetchError) as caught:
        session.look("http://127.0.0.1/x")
    return caught.value


@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize(("text", "then", "reason"), SAID)
def test_what_youtube_says(text, then, reason, expected, session):
    def act(extractor):
        raise ExtractorError(text, expected=expected, video_id=ID)

    error = told(session, act)
    assert (error.rule.then, error.rule.reason) == (then, reason)
    assert error.message.startswith(f"[youtube] {ID}: {text.rstrip('.')}")
    assert "report this issue" not in error.message and "ERROR" not in error.message


def test_a_country_is_told_with_its_advice(session):
    def act(extractor):
        raise GeoRestrictedError(
            "The uploader has not made this video available in your country", countries=["FR"]
        )

    error = told(session, act)
    assert error.rule.reason is Reason.GEO and "France" in error.message


@pytest.mark.parametrize(
    ("formats", "reason"),
    [
        ([], Reason.NO_FORMAT),
        ([{"format_id": "a", "url": "https://x/a", "vcodec": "none", "acodec": "mp4a"}], None),
    ],
)
def test_no_format_brings_what_was_warned_of(formats, reason, session):
    def act(extractor):
        extractor.report_warning("n challenge solving failed: Some formats may be missing")
        return {"id": ID, "title": "t", "formats": formats}

    error = told(session, act)
    assert error.rule.reason is (reason or Reason.NO_FORMAT)
    assert "n challenge solving failed" in error.message


def test_a_block_that_was_only_warned_of_is_one(session):
    def act(extractor):
        extractor.report_warning("Unable to download API page: HTTP Error 429: Too Many Requests")
        raise ExtractorError("Failed to extract any player response")

    assert told(session, act).rule.then is Then.PAUSE


def test_a_line_that_was_warned_of_is_tried_again_but_a_404_is_not_believed(session):
    def act(extractor):
        extractor.report_warning("Unable to download API page: The read operation timed out")
        raise ExtractorError("Failed to extract any player response")

    assert told(session, act).rule.reason is Reason.NETWORK

    def other(extractor):
        extractor.report_warning("Unable to download API page: HTTP Error 404: Not Found")
        raise ExtractorError("Failed to extract any player response")

    assert told(session, other).rule.then is Then.RETRY
    assert session.log.lines and len(session.log.lines) == 1  # those of this video alone


@pytest.mark.parametrize(
    "error", [UnavailableVideoError(OSError("gone")), KeyError("k"), RuntimeError("r"), OSError()]
)
def test_whatever_else_is_raised_costs_that_video_alone(error, session):
    def act(extractor):
        raise error

    assert told(session, act).rule.then is Then.RETRY


def test_what_is_ours_passes(session):
    def act(extractor):
        raise StoppedError("the disk is full")

    session.acts = act
    with pytest.raises(StoppedError):
        session.look("http://127.0.0.1/x")


def test_lists_and_live_streams_are_no_video(session):
    assert (
        "list" in told(session, lambda _: {"_type": "playlist", "entries": [], "id": "l"}).message
    )
    live = {"id": ID, "title": "t", "url": "http://x/y.mp4", "live_status": "is_upcoming"}
    assert told(session, lambda _: live).rule.then is Then.RETRY


def test_colours_labels_and_the_request_to_report_are_not_kept():
    text = (
        "\x1b[0;31mERROR:\x1b[0m [youtube] x: Failed; please report this issue on  https://github"
        ".com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you"
    )
    assert plain(text) == "[youtube] x: Failed"
    assert plain("ERROR: ERROR: a; b") == "a; b"
