"""Audits that several processes share: the part of each, and the merge of all parts into a finished run.

A share is an audit that stops after its part of the attention pass. The merge is the audit resumed on the shards of
all, so it is told no number by another way than an audit by one process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig, Thresholds, typed
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.sources.options import NAMES as SOURCE_OPTIONS
from bias_audit.errors import ConfigError, ResultError
from bias_audit.heatmaps import attention
from bias_audit.heatmaps.attention import ShardDamaged
from bias_audit.pipeline import agreed, outlines
from bias_audit.pipeline.agreed import PLACES
from bias_audit.pipeline.audit import complete, pass_photos
from bias_audit.pipeline.collect import collect
from bias_audit.pipeline.prepare import Prepared, choose, prepare
from bias_audit.pipeline.reopen import NAMED, allowed_of
from bias_audit.run import shares
from bias_audit.run.folder import CHOSEN, SHARED
from bias_audit.run.lock import gives_back
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Advance, Progress
from bias_audit.run.result import AuditResult
from bias_audit.run.shares import Share, State

STAGE = "Predictions and heatmaps, share {}"
"""Title of the stage in which a share passes its photos."""


@gives_back
def share_audit(share: Share, model: str | Path, data: Any, **call: Any) -> State:
    """Pass a share of the photos through the model, into a run folder that other shares may fill at the same time.

    Args:
        share: which share.
        model, data, call: arguments of `audit`, but for `profile`; each share gets the same, and the same `out`.

    Returns:
        how far all shares are.

    Raises:
        BiasAuditError: as `audit`; or another share was given something else.
    """
    prepared = begin_share(share.doing, model, data, **call)
    pass_share(prepared, share)
    return shares.state_of(prepared.context.run.path)


def pass_share(prepared: Prepared, share: Share) -> None:
    """Pass a share of the photos of an audit that `begin_share` has prepared.

    Raises:
        BiasAuditError: see `share_audit`.
    """
    folder, progress = prepared.context.run.path, prepared.context.progress
    state = shares.state_of(folder)
    files = share.files(state.files)
    photos = sum(state.count(number) for number in files)
    with progress.stage(STAGE.format(share), photos, "images") as advance:
        pass_files(prepared, files, advance)


def begin_share(doing: str, model: str | Path, data: Any, **call: Any) -> Prepared:
    """Prepare a process that passes some of the photos, and agree with the others on all that numbers depend on.

    Args:
        doing: what the process does, told to others that it keeps waiting.
        model, data, call: see `share_audit`.

    Raises:
        BiasAuditError: see `share_audit`.
    """
    prepared = prepare(model, data, share=doing, **call)
    with prepared.context.run.refusal_leaves_nothing():
        _choose(prepared)
    return prepared


def pass_files(prepared: Prepared, files: range, advance: Advance) -> None:
    """Make shards, by number, of which those that are there are kept; `advance` is told the photos of each.

    Raises:
        ResultError: another process makes one of them.
    """
    context = prepared.context
    batch = context.explainer.model.batch_size
    attention.attend(context.dataset, context.explainer, context.geometry, batch, context.run, advance, files)


def _choose(prepared: Prepared) -> None:
    """Choose what is left to each process, which must be the same in all of them.

    Raises:
        ConfigError: another one has chosen another preprocessing, method or layer.
    """
    choose(prepared)
    explainer, loaded = prepared.context.explainer, prepared.context.explainer.model
    chosen = {**prepared.settled, "method": explainer.name, "layer": loaded.layer, "head": loaded.head}
    shares.agree(prepared.context.run, CHOSEN, {"chosen": chosen})


def merge(
    folder: Path,
    places: Mapping[str, Any],
    allowed: AuditConfig,
    *,
    images: str | None = None,
    outside: bool = False,
    progress: Progress | None = None,
) -> AuditResult:
    """Finish an audit whose shards several processes have made: experiments, cues, rules and page.

    Args:
        folder: the run folder.
        places: names of PLACES -> where it lies now; None = where the first share found it.
        allowed: settings of the command; the modules that it names may be run, see `reopen.allowed_of`.
        images: where the pictures of a COCO file lie now; None = as `places`.
        outside: allow paths in a table that leave its folder.
        progress: display of the progress.

    Raises:
        ResultError: a shard is missing or damaged (ShardDamaged).
        ConfigError: the shares had other packages than this process.
        BiasAuditError: as `audit`.
    """
    known = shares.agreed(folder)
    state = shares.state_by([folder], known)
    if state.missing:
        raise ResultError(
            f"{str(folder)!r} is not complete: {state.words()}",
            "Run the shares that make them again; what is there is not made twice.",
        )
    agreed.same_packages(folder, known, (progress or usual()).note)
    there = _places(folder, known, places)
    reading = _reading(folder, known, images)
    try:
        config = _config(known["audit"], str(folder / SHARED))
        thresholds = Thresholds(**typed(Thresholds, known["thresholds"], str(folder / SHARED)))
        ignore = [str(code) for code in known["rules"]["ignore"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{str(folder / SHARED)!r} is damaged: {error}", "Audit the data again.") from error
    config = allowed_of(config, allowed, folder, (*NAMED, "segmenter"))
    if config.segmenter is None:  # which else is GrabCut where there are no masks
        config = config.changed({"segmenter": outlines.NONE})
    return finish_shares(
        there.pop("model"),
        there.pop("data"),
        out=folder,
        allow_outside=outside,
        ignore=ignore,
        config=config,
        thresholds=thresholds,
        progress=progress,
        **there,
        **reading,
    )


@gives_back
def finish_shares(model: str | Path, data: Any, **call: Any) -> AuditResult:
    """Do what follows the pass, whose shards are all there.

    Args:
        model, data, call: arguments of `audit`, as the shares had them.

    Raises:
        ShardDamaged: a shard is missing or damaged.
        BiasAuditError: as `audit`.
    """
    prepared = prepare(model, data, resume=True, **call)
    _choose(prepared)
    records, ties = pass_photos(prepared, others_did=True)  # before the checks: a damaged shard is told soon
    prepared.measure("maps")
    return complete(prepared, records, ties)


def merge_all(folders: Sequence[Path], out: Path, *arguments: Any, **options: Any) -> AuditResult:
    """Finish an audit whose shards several processes have made, each in a folder of its own.

    Args:
        folders: run folders of the shares; nothing in them is changed.
        out: the run folder that is written, see `collect`.
        arguments, options: further arguments of `merge`.

    Raises:
        BiasAuditError: as `merge`; or a shard is another one in two folders, or `out` holds something else.
    """
    found = collect(folders, out)
    try:
        return merge(out, *arguments, **options)
    except ShardDamaged as error:
        raise ResultError(
            error.message, f"Run the share of {str(found[error.number])!r} again, which makes it anew, and merge again."
        ) from error


def _config(values: Mapping[str, Any], where: str) -> AuditConfig:
    """The settings that `AuditConfig.as_dict` gave, in the types of AuditConfig, and without limits.

    Raises:
        ConfigError, TypeError, ValueError: they are no settings.
    """
    odd = ("class_map", "extra", "limits")
    given = {name: value for name, value in values.items() if value is not None and name not in odd}
    config = AuditConfig(**typed(AuditConfig, given, where))
    extra = {str(name): int(value) for name, value in values.get("extra") or ()}
    pairs = values.get("class_map")
    groups = None if pairs is None else tuple((str(name), tuple(map(int, indices))) for name, indices in pairs)
    return config.with_extra(extra).changed({"class_map": groups})


def _places(folder: Path, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Where model and data lie: as given, else as the first share found them.

    Raises:
        ConfigError: a run folder cannot ask for it: a model that is run, or something to fetch.
    """
    kept = known.get(shares.FREE, {})
    there: dict[str, Any] = {}
    for name in PLACES:
        place = kept.get(name)
        there[name] = place if given.get(name) is None else given[name]
        if place is None or given.get(name) is not None:
            continue
        if ":" in str(place) if name == "model" else _elsewhere(place):
            raise _untrusted(folder, name, place)
    if there["model"] is None or there["data"] is None:
        raise ResultError(f"{str(folder / SHARED)!r} is damaged: it names no model or no data", "Name them.")
    return there


def _reading(folder: Path, known: Mapping[str, Any], images: str | None) -> dict[str, Any]:
    """How the data are read: options of a source alone, whatever the run folder holds; `images` as given.

    Raises:
        ConfigError: the pictures lie elsewhere, and nobody names the address.
    """
    kept = {name: value for name, value in known.get("data", {}).items() if name in SOURCE_OPTIONS}
    if images is None and _elsewhere(kept.get("images")):
        raise _untrusted(folder, "images", kept["images"])
    return {**kept, **({} if images is None else {"images": images})}


def _elsewhere(place: Any) -> bool:
    """Whether something would have to be fetched, or is no path at all."""
    return place is not None and (not isinstance(place, str) or isinstance(data_address(place), Url))


def _untrusted(folder: Path, name: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{str(folder)!r} was made with {name} {value!r}, which a run folder cannot ask for",
        f"If you trust it, name it: --{name} {value}",
    )
