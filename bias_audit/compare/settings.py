"""Names what else differs between two runs beside their numbers, such as model, data, masks and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bias_audit.run.identity import data_of
from bias_audit.run.result import AuditResult

MOST_NAMES = 10
"""Most classes or settings that one sentence names."""


def differences(old: AuditResult, new: AuditResult) -> list[str]:
    """Sentences about what differs between two runs beside their numbers, most important first.

    The same model file in both runs is named as well. [] where nothing is worth a sentence.
    """
    one, two = old.info, new.info
    said = []
    before, now = set(one.class_names), set(two.class_names)
    gone = [name for name in one.class_names if name not in now]
    come = [name for name in two.class_names if name not in before]
    common = [name for name in two.class_names if name in before]
    if gone or come:
        what = [f"only the old run has {_listed(gone)}"] if gone else []
        what += [f"only the new run has {_listed(come)}"] if come else []
        still = f"The {len(common)} common classes are compared" if common else "No class is compared"
        said.append(
            f"Not comparable as a whole, because the classes differ: {', '.join(what)}. {still}; a model with other "
            "classes can make other mistakes."
        )
    if one.model_sha256 == two.model_sha256:
        said.append("The model is the same file in both runs.")
    if data_of(old) != data_of(new):
        said.append("The data differ: images, labels or classes are not the same in both runs.")
    if one.mask_kind != two.mask_kind or one.masks != two.masks:
        said.append(
            f"The masks differ or lie elsewhere: {one.masks or 'none given'} ({one.mask_kind}) before, "
            f"{two.masks or 'none given'} ({two.mask_kind}) now. Attention and gaps depend on them."
        )
    if one.backgrounds != two.backgrounds:
        said.append(
            f"The real scenes differ or lie elsewhere: {one.backgrounds or 'none given'} before, "
            f"{two.backgrounds or 'none given'} now. Gaps depend on them."
        )
    if maps := [
        f"{title} {before} before, {now} now"
        for title, before, now in (
            ("method", one.method, two.method),
            ("layer", one.layer, two.layer),
            ("grid", _size(one.grid), _size(two.grid)),
        )
        if before != now
    ]:
        said.append(f"The maps were made differently ({'; '.join(maps)}), so background excess is less comparable.")
    if one.input_size != two.input_size or one.preprocess != two.preprocess:
        said.append(
            f"The model's input differs: {_size(one.input_size)}, {one.preprocess or 'unknown'} before, "
            f"{_size(two.input_size)}, {two.preprocess or 'unknown'} now."
        )
    if changed := _changed(one.config, two.config):
        said.append(f"Settings differ: {_listed(changed)}.")
    if changed := _changed(one.thresholds, two.thresholds):
        said.append(f"Thresholds differ: {_listed(changed)}. Findings may have come or gone for that reason alone.")
    if one.version != two.version:
        said.append(f"Written by bias-audit {one.version} and {two.version}.")
    return said


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [f"{name} {old.get(name)!r} before, {new.get(name)!r} now" for name in names]


def _size(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return "; ".join(names[:MOST_NAMES]) + rest
