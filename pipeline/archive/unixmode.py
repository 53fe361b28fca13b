"""What an entry is by the mode that a Unix archiver wrote down."""

from __future__ import annotations

from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG

from pipeline.archive.entries import DEVICE, FOLDER, OTHER, PIPE, REGULAR, SYMLINK

_KINDS = {
    0: REGULAR,  # permissions alone, or none
    S_IFREG: REGULAR,
    S_IFLNK: SYMLINK,
    S_IFDIR: FOLDER,
    S_IFIFO: PIPE,
    S_IFCHR: DEVICE,
    S_IFBLK: DEVICE,
}


def kind_of_mode(mode: int) -> str:
    """Return the kind of entry with this mode; 0 counts as regular."""
    return _KINDS.get(S_IFMT(mode), OTHER)
