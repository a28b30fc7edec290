"""Opens the review page in the user's browser without showing its secret address to other users of the machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from html import escape
from pathlib import Path

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="default-src 'none'">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>bias-audit review</title>
<a href="{address}">To the review</a>
"""


@contextlib.contextmanager
def opened_in_browser(address: str) -> Iterator[bool]:
    """Context in which the browser is led to an address, through a file that only this user can read.

    Arguments of a process are for all users of the machine to see, so the browser gets the file's name, not the
    address. The file is removed at the end of the context. A browser that cannot see the folder for temporary files
    (some that are installed in a sandbox) shows an error; the address that the command prints works in any.

    Args:
        address: address with the token in it.

    Yields:
        whether the file could be made; if not, no browser is opened.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bias-audit-review-")))
            file = folder / "review.html"
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as page:
                page.write(_PAGE.format(address=escape(address)))
        except OSError:
            yield False
            return
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        yield True
