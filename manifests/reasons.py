"""The closed list of reasons for which a clip can fail, and what each one means to its owner."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a stage could not do a clip; the raw message stands beside it in the row."""

    MISSING = "missing"
    EMPTY = "empty"
    FORBIDDEN = "forbidden"
    CHANGED = "changed"
    FORMAT = "format"
    UNREADABLE = "unreadable"
    NO_VIDEO = "no_video"
    NO_FRAMES = "no_frames"
    OUTSIDE_SPAN = "outside_span"
    TOO_LARGE = "too_large"
    CORRUPT = "corrupt"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    SHORT = "short"
    NETWORK = "network"
    ACCESS = "access"
    GEO = "geo"
    REMOVED = "removed"
    UNAVAILABLE = "unavailable"
    NO_FORMAT = "no_format"
    NO_SOURCE = "no_source"
    BLOCKED = "blocked"
    MACHINE = "machine"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


MEANING: dict[Reason, str] = {
    Reason.MISSING: "the list names a file that is not there",
    Reason.EMPTY: "the file has 0 bytes",
    Reason.FORBIDDEN: "the file may not be read, or is no regular file",
    Reason.CHANGED: "the file is no longer the one that was acquired",
    Reason.FORMAT: "not one of the container formats that are allowed",
    Reason.UNREADABLE: "the container cannot be opened",
    Reason.NO_VIDEO: "there is no video stream (cover art is none)",
    Reason.NO_FRAMES: "the video stream holds no frame",
    Reason.OUTSIDE_SPAN: "no frame lies between start and end",
    Reason.TOO_LARGE: "more pixels per frame than the limit",
    Reason.CORRUPT: "too few frames can be decoded, or it is damaged in its archive",
    Reason.TIMEOUT: "decoding took longer than the limit",
    Reason.MEMORY: "decoding wanted more memory than the limit",
    Reason.CRASH: "the decoder process died",
    Reason.SHORT: "the file ends before its clip does",
    Reason.NETWORK: "the connection failed; may come back",
    Reason.ACCESS: "private, for members or of age only, or refused to us",
    Reason.GEO: "not shown in this country",
    Reason.REMOVED: "taken down for good",
    Reason.UNAVAILABLE: "refused without a reason; gone when that stays for a day",
    Reason.NO_FORMAT: "no format that can be fetched; look at the JavaScript runtime first",
    Reason.NO_SOURCE: "none of the sources asked has it",
    Reason.BLOCKED: "the session is blocked",
    Reason.MACHINE: "this machine cannot go on",
    Reason.DAMAGED: "what was kept of it is damaged or gone since; it is made again",
    Reason.UNKNOWN: "a message that is not known; may come back",
}
