"""What an unfinished run was started with: whoever goes on with it must have the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError


def expect_key(folder: Path, before: Mapping[str, Any], key: Mapping[str, str]) -> None:
    """Compare what a run was started with and what it is to be continued with.

    Args:
        folder: the run folder.
        before, key: name -> hash or version of everything that the numbers depend on, see `Run.start`.

    Raises:
        ConfigError: something has changed; the sentence names it.
    """
    if changed := [name for name in key if before.get(name) != key[name]]:
        raise ConfigError(
            f"cannot resume {str(folder)!r}: the {' and the '.join(changed)} changed since it was started",
            "Resume with the same model, data and options, or start anew with --overwrite.",
        )
