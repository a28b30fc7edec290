"""Printing into pipes whose reader may close them early, such as `| head`, without a change of the exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from bias_audit.errors import ResultError
from bias_audit.run.printable import without_commands


class _Unread(io.FileIO):
    """A stream whose reader may have closed the pipe: output that nobody reads any more counts as written."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes
        except OSError as error:  # a log on a full disk
            raise ResultError(f"cannot print: {error.strerror or error}") from error


class _Printed(io.TextIOWrapper):
    """A stream of text that passes on no commands to the terminal, whoever writes them."""

    def write(self, text: str) -> int:
        super().write(without_commands(text))
        return len(text)


@contextlib.contextmanager
def readers_may_leave() -> Iterator[None]:
    """Context in which stdout and stderr accept all output, even if the reader has closed the pipe.

    The streams are replaced, instead of catching BrokenPipeError: then the rest of the command would be lost, Rich
    would exit with code 1 by itself, and the last flush of the interpreter would give exit code 120.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_patient(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, ResultError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed from the start, `>&-`
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper) or stream not in (sys.__stdout__, sys.__stderr__):
        return stream  # replaced, by a test or a notebook
    buffer: Any = stream.buffer
    raw = getattr(buffer, "raw", buffer)  # `python -u` has no buffer between
    if type(raw) is not io.FileIO:  # a console of Windows has no readers that leave
        return stream
    try:
        stream.flush()
        file = io.BufferedWriter(_Unread(raw.fileno(), "w", closefd=False))
    except (OSError, ValueError):  # closed from the start
        return stream
    return _Printed(
        file,
        stream.encoding,
        # An ellipsis, or the name of a class, must not end a command whose log takes ASCII only.
        "backslashreplace" if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
