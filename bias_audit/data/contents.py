"""What the files of an audit held when they were first read: a file that changes later takes no part any more.

Stages read photos and masks again. Were one exchanged or deleted in between, an experiment would compare two different
pictures, or cut out an object without its mask, and convict a class that did nothing.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bias_audit.data.dataset import Sample
from bias_audit.data.locations import Location

Read = tuple[str, str]
"""(content of a file or "" where it could not be read, why it could not be read or "")."""


def content_of(data: bytes) -> str:
    """First 16 hex digits of the SHA-256 of a file's bytes, which identify it whatever its name."""
    return hashlib.sha256(data).hexdigest()[:16]


class Contents:
    """Contents of files by path, as they were first read, and the files found changed since. Used by several threads.

    Args:
        notice: called once for each path of a photo that is found changed, with the reason; it must keep what it is
            told, since a resumed audit does not read what is measured already.
        known: path of a photo -> reason, as `notice` was told before the audit was interrupted.
    """

    def __init__(
        self,
        notice: Callable[[Location, str], None] = lambda path, reason: None,
        known: Mapping[Location, str] | None = None,
    ) -> None:
        self._first: dict[Location, str] = {}
        self._found = dict(known or {})
        self._notice = notice
        self._lock = threading.Lock()
        self._keeps = True

    def once(self) -> Contents:
        """The same, for a pass that reads each photo once: files are compared, and of none it is kept what it held."""
        same = copy.copy(self)
        same._keeps = False
        return same

    @property
    def found(self) -> Mapping[Location, str]:
        """Path of each photo that was found changed, or whose mask was -> what changed, in words."""
        return MappingProxyType(self._found)

    def expect(self, path: Location, content: str) -> None:
        """Set what a file held when it was first read, by an earlier process; "" = it could not be read."""
        self._first.setdefault(path, content)

    def changed(self, sample: Sample, photo: Read, mask: Read) -> str:
        """What of a sample is another than when it was first read, in words; "" = nothing, or it is read first now.

        Args:
            sample: the sample that was read.
            photo, mask: what was read of its files.
        """
        reason = self._compared("the photo", sample.path, photo)
        if not reason and isinstance(sample.mask, Location):  # shapes were read with the list of samples
            reason = self._compared("its mask", sample.mask, mask)
        if reason:
            with self._lock:
                if sample.path not in self._found:
                    self._notice(sample.path, reason)
                    self._found[sample.path] = reason
        return reason

    def _compared(self, name: str, path: Location, read: Read) -> str:
        content, reason = read
        first = self._first.setdefault(path, content) if self._keeps else self._first.get(path, content)
        if first == content:
            return ""
        return f"{name} {reason}" if not content else f"{name} is another file than the one that was read first"
