"""YouTube's extractor played by pages of a site: what a video's page would tell, as JSON.

All behind it is real: yt-dlp's choice of a format, its downloads, and ffmpeg. As a program it runs
clipmill so: `python acting.py SITE VERB...`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def played_by(site: str) -> dict[str, Any]:
    """Return what YouTube's extractor has to be changed in, by name."""

    def extract(self: Any, url: str) -> dict[str, Any]:
        video = self._match_id(url)
        return self._download_json(f"{site}/{video}", video, note=False)

    return {"_real_extract": extract}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[4]))
    from yt_dlp.extractor.youtube import YoutubeIE

    from pipeline.fetch.youtube import javascript

    for name, value in played_by(sys.argv.pop(1)).items():
        setattr(YoutubeIE, name, value)
    javascript.lacking = lambda: None
    import clipmill

    clipmill.main()
