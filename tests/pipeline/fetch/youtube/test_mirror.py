"""A mirror gives the file at its address or nothing: no page leads to another video."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.reasons import Reason
from pipeline.fetch.source import Arrived, Refused
from pipeline.fetch.taxonomy import RULES, Then
from pipeline.fetch.youtube.mirror import NAME, is_text, meaning
from pipeline.fetch.youtube.youtube import YouTube

ID = "-u8W9n8IOks"
# What a page says of a video that is not the one asked for; yt-dlp would fetch it.
LEADING = {
    "open graph": '<html><head><meta property="og:video" content="{ad}"></head></html>',
    "player": '<html><script>jwplayer("a").setup({{"file":"{ad}"}});</script></html>',
    "refresh": '<html><head><meta http-equiv="refresh" content="0; url={ad}"></head></html>',
    "linked data": '<html><script type="application/ld+json">{{"@context":"http://schema.org",'
    '"@type":"VideoObject","name":"x","contentUrl":"{ad}"}}</script></html>',
    "twitter": '<html><head><meta name="twitter:player:stream" content="{ad}"></head></html>',
    "video": '<html><body><video src="{ad}"></video></body></html>',
    "playlist": "#EXTM3U\n#EXTINF:10,\n{ad}\n#EXT-X-ENDLIST\n",
    "feed": '<?xml version="1.0"?><rss version="2.0"><channel><title>x</title><item><link>{ad}'
    "</link></item></channel></rss>",
    "json": '{{"file": "{ad}"}}',
}


@pytest.mark.parametrize("address", ["/{id}.mp4", "/{id}"])
@pytest.mark.parametrize("kind", LEADING)
def test_a_page_leads_to_no_video(kind, address, site, fault, youtube, want, tools, make_video):
    site.files["/ad.mp4"] = make_video("own.mp4")
    text = LEADING[kind].format(ad=f"{site.url}/ad.mp4")
    site.faults = lambda path, number: None if path == "/ad.mp4" else fault(page=text)
    (found,) = youtube("{url}" + address.replace("{id}", "{{id}}")).fetch((want(),), tools)
    assert isinstance(found, Refused) and found.rule.then is Then.RETRY
    assert found.rule.reason is Reason.NO_FORMAT and "text/html" in found.message
    assert sum(site.asked.values()) == 1


def test_pages_under_the_type_of_a_video_are_none_either(site, youtube, want, tools):
    site.files[f"/{ID}.mp4"] = b"<!DOCTYPE html><html>gone</html>"  # sent as video/mp4
    (found,) = youtube().fetch((want(),), tools)
    assert isinstance(found, Refused) and "video/mp4" in found.message


def test_a_file_elsewhere_to_which_the_server_leads_is_that_file(
    site, fault, youtube, want, tools, make_video
):
    site.files["/store/1"] = make_video("own.mp4")
    lead = fault(location="/store/1")
    site.faults = lambda path, number: None if path == "/store/1" else lead
    (found,) = youtube().fetch((want(),), tools)
    assert isinstance(found, Arrived)
    assert tools.storage.place(found.name).read_bytes() == make_video("own.mp4").read_bytes()


@pytest.mark.parametrize("name", ["own.mp4", "own.mkv", "own.avi", "own.mov"])
def test_no_video_is_taken_for_text(name, make_video):
    assert not is_text(make_video(name).read_bytes()[:512])


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1))
def test_text_is_text(text):
    assert is_text(text.encode())


def test_a_mirror_has_a_name_of_its_own_and_knows_of_no_video_that_it_is_gone(tmp_path):
    assert YouTube(tmp_path).name == "youtube"
    assert YouTube(tmp_path, "https://mirror.example/{id}.mp4").name == NAME == "mirror"
    assert {meaning(rule).then for rule in RULES} == {Then.PAUSE, Then.STOP, Then.RETRY}
