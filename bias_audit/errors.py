"""Errors that a user can cause or repair, and what each says.

    BiasAuditError          every error a user can cause or repair; exit code 2
    ├── ConfigError         a flag, a key or a value
    ├── DataError           the data set as a whole (a single bad image is a row, never an error)
    ├── ModelError          the model cannot be loaded, or has no usable layer
    ├── PackageError        a package is not installed
    └── ResultError         a run folder is missing, half-written, or made by a newer version

A message says what is wrong, where, what was expected and what was found; the hint says what to do.
"""

from __future__ import annotations


class BiasAuditError(Exception):
    """An error that is told to the user as a sentence, with a hint what to do where there is one.

    Args:
        message: what is wrong and where, with expected and actual values.
        hint: what to do; shown after a blank line.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\n{self.hint}" if self.hint else self.message


class ConfigError(BiasAuditError):
    """A flag, a key or a value is wrong."""


class DataError(BiasAuditError):
    """The data set as a whole cannot be audited."""


class ModelError(BiasAuditError):
    """The model cannot be loaded or explained."""


class PackageError(BiasAuditError):
    """A package that is needed is not installed, or cannot be imported."""


class ResultError(BiasAuditError):
    """A run folder is missing, incomplete or not readable by this version."""


def reason_of(error: Exception) -> str:
    """Why something failed, as the end of a sentence: what the operating system says, else the error's own text."""
    return str(getattr(error, "strerror", None) or error)


def reason_line(error: Exception) -> str:
    """The same on one line; else the exception's type."""
    return " ".join(reason_of(error).split()) or type(error).__name__


def first_line(error: Exception) -> str:
    """First line of an exception's message that is not empty, at most 300 characters; else the exception's type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def one_line(error: Exception) -> str:
    """The whole of an exception's message as one line of at most 300 characters; else the exception's type."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
