"""What is too large for memory lies in a file without a name, and equals what lies in memory."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.errors import ResultError
from bias_audit.limits import memory
from bias_audit.limits.bounds import Limits
from bias_audit.limits.memory import at_once, batch_bytes, bytes_array


def test_half_of_the_memory_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "main_memory", lambda: 1000)
    assert batch_bytes(Limits()) == 500
    assert batch_bytes(Limits(batch_bytes=7)) == 7
    monkeypatch.setattr(memory, "main_memory", lambda: None)
    assert batch_bytes(Limits()) == memory.UNKNOWN // 2


@pytest.mark.parametrize(("each", "expected"), [(1, 8), (25, 4), (100, 1), (101, 1), (0, 8)])
def test_at_once(each: int, expected: int) -> None:
    assert at_once(each, 8, Limits(batch_bytes=100)) == expected


def test_an_array_in_a_file_without_a_name(tmp_path) -> None:
    inside = bytes_array((4, 5), Limits(batch_bytes=20), tmp_path)
    outside = bytes_array((4, 5), Limits(batch_bytes=19), tmp_path)
    assert not isinstance(inside, np.memmap)
    assert isinstance(outside, np.memmap)
    assert not list(tmp_path.iterdir())
    for each in (inside, outside):
        assert not each.any()
        each[2] = 7
    assert np.array_equal(inside, outside)


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory.os, "posix_fallocate", full)
    with pytest.raises(ResultError, match=r"20 bytes of pictures do not fit into memory.*No space left"):
        bytes_array((4, 5), Limits(batch_bytes=19), tmp_path)
