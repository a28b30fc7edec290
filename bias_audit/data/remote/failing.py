"""Asking again, and why a file could not be fetched, in words that hold nothing of an address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from bias_audit.errors import BiasAuditError

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0)
"""Seconds before each further try."""


class NotFetched(OSError):
    """A file that could not be fetched; its text is the end of a sentence. Texts of libraries quote addresses, with the
    tokens in them, so none of theirs is in it.

    Attributes:
        missing: nothing is there.
        passing: asking again may help.
        code: status of HTTP, 0 where there was none.
    """

    def __init__(self, reason: str, *, missing: bool = False, passing: bool = False, code: int = 0) -> None:
        super().__init__(reason)
        self.missing, self.passing, self.code = missing, passing, code


def patiently(ask: Callable[[], T]) -> T:
    """What `ask` answers, which is called again after each wait while its failure may be a passing one.

    Raises:
        NotFetched: the last failure.
    """
    for wait in (*WAITS, None):
        try:
            return ask()
        except NotFetched as error:
            if wait is None or not error.passing:
                raise
            time.sleep(wait)
        except BiasAuditError:
            raise
        except Exception as error:
            told = in_words(error)
            if wait is None or not told.passing:
                raise told from error
            time.sleep(wait)
    raise AssertionError("the last wait is None")


def declared_size(stamp: str) -> int:
    """Bytes of a file by its stamp, which begins with them; 0 where its server does not say them."""
    size = stamp.partition(":")[0]
    return int(size) if size.isdecimal() and len(size) < 19 else 0


def in_words(error: Exception) -> NotFetched:
    """What failed, by the type of an exception of a library."""
    name = type(error).__name__
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return NotFetched("there is no such file", missing=True)
    if isinstance(error, PermissionError) or "Credential" in name or "Forbidden" in name:
        return NotFetched(f"access is denied ({name})")
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return NotFetched("no answer in time", passing=True)
    return NotFetched(
        f"it cannot be reached ({name})", passing=not isinstance(error, ValueError | TypeError | ImportError)
    )


def of_status(code: int) -> NotFetched:
    """What a server's answer other than a success says."""
    if code in (404, 410):
        return NotFetched(f"there is no such file (HTTP {code})", missing=True, code=code)
    if code in (401, 403, 407):
        return NotFetched(f"access is denied (HTTP {code})", code=code)
    return NotFetched(f"the server answered HTTP {code}", passing=code in (408, 425, 429) or code >= 500, code=code)
