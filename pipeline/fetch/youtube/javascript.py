"""What YouTube's pages need on this machine: a JavaScript runtime, and yt-dlp's scripts for it.

Without both yt-dlp still finds videos and then says that they have no formats. What counts is
yt-dlp's own look at the programs, for its demands change with its versions. About 50 ms for each
of the four programs.
"""

from __future__ import annotations

from typing import Any

# In yt-dlp's order of preference.
RUNTIMES = ("deno", "node", "bun", "quickjs")


def runtime() -> tuple[str, str] | None:
    """Return the name and version of the runtime that yt-dlp will use, None without one."""
    good = (info for info in _found() if info.supported)
    return next(((info.name, info.version) for info in good), None)


def ejs() -> str | None:
    """Return the version of yt-dlp's scripts, None where they are missing or another version's."""
    from yt_dlp.dependencies import yt_dlp_ejs
    from yt_dlp.extractor.youtube.jsc._builtin import vendor
    from yt_dlp.utils import version_tuple

    if yt_dlp_ejs is None:
        return None
    fits = version_tuple(yt_dlp_ejs.version)[:2] == version_tuple(vendor.VERSION)[:2]
    return yt_dlp_ejs.version if fits else None


def lacking() -> str | None:
    """Return what is missing and how to get it, in one sentence; None where all is there."""
    if runtime() is None:
        old = ", ".join(f"{info.name} {info.version}" for info in _found())
        return (
            f"there is no JavaScript runtime that yt-dlp can use (found: {old or 'none'}; "
            f"accepted: {_accepted()}); install one, for instance deno by "
            "`pip install 'clipmill[youtube]'`"
        )
    if ejs() is None:
        return (
            "the package yt-dlp-ejs is missing or of another version than yt-dlp asks for; "
            "install both with `pip install -U 'yt-dlp[default]'`"
        )
    return None


def _accepted() -> str:
    """Return the oldest versions that yt-dlp takes, in words."""
    least = ((name, getattr(kind, "MIN_SUPPORTED_VERSION", ())) for name, kind in _known())
    return ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in least)


def _found() -> list[Any]:
    """Return what yt-dlp says of each program that is there: name, version, supported."""
    return [info for _, kind in _known() if (info := kind().info)]


def _known() -> list[tuple[str, Any]]:
    """Return the kinds of runtimes that this yt-dlp knows, by name."""
    import yt_dlp  # noqa: F401 - registers them
    from yt_dlp.globals import supported_js_runtimes

    known = supported_js_runtimes.value
    return [(name, known[name]) for name in RUNTIMES if name in known]
