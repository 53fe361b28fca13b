"""Programs that others wrote: ffmpeg, a JavaScript runtime for YouTube, readers of RAR."""

from __future__ import annotations

from pipeline.doctoring.finding import Finding, Patient


def ffmpeg(patient: Patient) -> Finding:
    """Look for the ffmpeg binary: the second decoder, and cuts out of long videos."""
    import imageio_ffmpeg

    try:
        path, version = imageio_ffmpeg.get_ffmpeg_exe(), imageio_ffmpeg.get_ffmpeg_version()
    except (RuntimeError, OSError) as error:
        text = str(error).strip().splitlines()[0]
        cure = "`pip install -U imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE to an ffmpeg"
        return Finding("fail", text, cure)
    return Finding("ok", f"{version} at {path}", "", {"version": version, "path": path})


def javascript(patient: Patient) -> Finding:
    """Look for what YouTube's pages need: a runtime, and yt-dlp's scripts for it."""
    from pipeline.fetch.youtube import javascript

    lacking, runtime, scripts = javascript.lacking(), javascript.runtime(), javascript.ejs()
    details = {"runtime": runtime and list(runtime), "ejs": scripts}
    if lacking is not None:
        found, _, cure = lacking.rpartition("; ")
        return Finding("warn", f"YouTube cannot be asked: {found}", cure, details)
    assert runtime is not None
    return Finding("ok", f"{' '.join(runtime)}, yt-dlp-ejs {scripts}", "", details)


def rar(patient: Patient) -> Finding:
    """Look for a program that reads RAR, as UCF101 and HMDB51 come."""
    from pipeline.archive.rars import readers

    if found := readers():
        return Finding("ok", " and ".join(found), "", {"readers": found})
    cure = "`apt install libarchive-tools` or `apt install unar` (macOS: `brew install libarchive`)"
    text = "neither bsdtar nor unar: UCF101.rar and hmdb51_org.rar cannot be read as they come"
    return Finding("warn", text, cure, {"readers": []})
