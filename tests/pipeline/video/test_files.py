"""What is handed to the child: read-only files, and memory whose size is fixed."""

import os

import pytest

from pipeline.video.files import opened, shared_memory


def test_memory_can_be_written_but_not_resized():
    with shared_memory(4096) as fd:
        os.pwrite(fd, b"pixels", 0)
        for size in (0, 100, 8192):
            with pytest.raises(PermissionError):
                os.ftruncate(fd, size)
        assert not os.get_inheritable(fd)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


def test_a_file_is_opened_for_reading_only(tmp_path):
    path = tmp_path / "link"
    (tmp_path / "file").write_bytes(b"content")
    path.symlink_to(tmp_path / "file")
    with opened(path) as fd:
        assert os.pread(fd, 7, 0) == b"content"
        with pytest.raises(OSError, match="descriptor"):
            os.write(fd, b"x")
