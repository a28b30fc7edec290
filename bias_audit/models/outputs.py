"""Chooses the classifying output of a model that gives several, whatever the framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.errors import ConfigError, ModelError


def chosen_output(made: Any, asked: str | None, names: Sequence[str] = ()) -> Any:
    """The output to audit among what a model returned; one alone in a collection is the one.

    Args:
        made: what the model returned: a tensor, or a dict, list or tuple of tensors.
        asked: name of an output, or its place from 0 (`AuditConfig.output`); None = there is only one.
        names: what the model calls its outputs, in order; a dict, and a tuple with names, say it themselves.

    Raises:
        ModelError: several outputs, and none was asked for; the hint says how.
        ConfigError: there is no such output.
    """
    outputs = _named(made, names)
    if asked is None:
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        raise ModelError(
            f"the model has {len(outputs)} outputs, {_listed(outputs)}; one classification head is needed",
            f"Choose one with --output, by its name or by its place from 0 to {len(outputs) - 1}." if outputs else "",
        )
    if asked in outputs:
        return outputs[asked]
    if asked.isdecimal() and int(asked) < len(outputs):
        return list(outputs.values())[int(asked)]
    raise ConfigError(f"the model has no output {asked!r}", f"It has {_listed(outputs)}; places count from 0.")


def refuse_choice(asked: str | None, name: str) -> None:
    """Refuse --output for code of the user that predicts; `name` is what it is called.

    Raises:
        ConfigError: an output was asked for.
    """
    if asked is not None:
        raise ConfigError(
            f"output {asked!r} was asked for, and {name!r} is code that predicts, with one output",
            "Return that output from your code, and leave --output out.",
        )


def _named(made: Any, names: Sequence[str]) -> dict[str, Any]:
    """Name -> output, in order; what has no name is called by its place."""
    if isinstance(made, Mapping):
        return {str(name): output for name, output in made.items()}
    outputs = list(made) if isinstance(made, list | tuple) else [made]
    names = getattr(made, "_fields", None) or names  # of a named tuple
    if len(set(names)) != len(outputs):
        names = [str(place) for place in range(len(outputs))]
    return dict(zip(names, outputs, strict=True))


def _listed(outputs: Mapping[str, Any]) -> str:
    """The outputs with their shapes, in words: 'probabilities' (N, 3), 'embedding' (N, 128)."""
    return ", ".join(f"{name[:80]!r} {_shape(output)}" for name, output in list(outputs.items())[:12])


def _shape(output: Any) -> str:
    shape = getattr(output, "shape", None)
    if shape is None:
        return type(output).__name__
    sides = [str(side) for side in tuple(shape)[1:]]
    return f"({', '.join(['N', *sides])})"
