"""Recurring cues, start to end: group, tie to a class, prove; rows of `schema.CLUSTERS` and `CLUSTER_SPOTS`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.recurring_cues.association import Association, associate
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.grouping import Group, groups
from bias_audit.checks.recurring_cues.proof import Proof, prove
from bias_audit.checks.recurring_cues.spots import Spots
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.heatmaps.methods import Explainer
from bias_audit.run.columns import Row

Indices = NDArray[np.intp]
SAME = 0.5
"""Share of the smaller group's spots from which on two views found the same thing."""

MOST_PROVED = 12
"""Cues whose spots are erased and pasted, at most: about 180 pictures each."""

ON_OBJECT, ON_ESTIMATE = 0.5, 0.25
"""Share of a group's evidence on the object from which on it counts as the object, by masks and by estimates; see
`Thresholds.max_on_object` and `max_on_estimate`, which judge."""

NOT_TIED = "not tied to a class"
NOT_CHOSEN = f"not among the {MOST_PROVED} strongest"
TOO_FEW = "not enough images with room for a control"
PROVED = "ok"

ASSOCIATION_P = 0.05
"""Of the Fisher test, corrected over the groups; one that goes with no class is nobody's shortcut."""


@dataclass
class Cue:
    """A recurring thing: its spots, the views that found it, its class, its proof."""

    spots: Indices
    views: list[str]
    association: Association
    p_tied: float
    attention: float
    on_object: float
    estimated: float
    status: str = NOT_CHOSEN
    proof: Proof = field(default_factory=lambda: Proof(0))
    p_erase: float = float("nan")
    p_paste: float = float("nan")


def discover(
    dataset: Dataset,
    seen: Seen,
    explainer: Explainer,
    geometry: Geometry,
    seed: int,
    advance: Callable[[int], None],
) -> list[Cue]:
    """All recurring cues, the strongest first: those with a proof by its size, the others by attention.

    Args:
        dataset: all samples.
        seen: what was looked at.
        explainer, geometry: as in the audit pass.
        seed: of every random choice.
        advance: counts proofs, MOST_PROVED at most.
    """
    found = _merged(groups(seen, seed), seen)
    cues = [_cue(spots, views, seen, len(dataset.class_names)) for spots, views in found]
    tied = stats.benjamini_hochberg(np.array([cue.association.p for cue in cues]))
    for cue, p in zip(cues, tied, strict=True):
        cue.p_tied = float(p)
        if p > ASSOCIATION_P or cue.association.lift <= 1:
            cue.status = NOT_TIED
    cues.sort(key=lambda cue: -cue.attention * cue.association.share[0])
    chosen = [cue for cue in cues if cue.status != NOT_TIED][:MOST_PROVED]
    for cue in chosen:
        cue.proof = prove(
            dataset, seen, cue.spots, cue.association.tied, explainer.predict, geometry,
            off_object=cue.on_object < ON_OBJECT, batch=explainer.model.batch_size, seed=seed,
        )  # fmt: skip
        cue.status = PROVED if cue.proof.erased and cue.proof.pasted else TOO_FEW
        advance(1)
    proved = [cue for cue in chosen if cue.status == PROVED]
    # One correction over both tests of all cues: either effect is a proof.
    tests = [effect.p for cue in proved for effect in (cue.proof.erased, cue.proof.pasted) if effect]
    corrected = stats.benjamini_hochberg(np.array(tests)).reshape(-1, 2)
    for cue, (p_erase, p_paste) in zip(proved, corrected, strict=True):
        cue.p_erase, cue.p_paste = float(p_erase), float(p_paste)
    return sorted(cues, key=lambda cue: -strength(cue))


def strength(cue: Cue) -> float:
    """The larger effect, by its lower bound, as far as it is not the object's; below those with a proof the others.

    Those without are ranked by how much attention they take.
    """
    if cue.proof.erased and cue.proof.pasted:
        most = ON_ESTIMATE if cue.estimated else ON_OBJECT
        return 1 + max(cue.proof.erased.low, cue.proof.pasted.low) * max(0.0, 1 - cue.on_object / most)
    return cue.attention * cue.association.share[0] - 1


def row(cue: Cue, dataset: Dataset, seen: Seen) -> Row:
    """One row of `schema.CLUSTERS`."""
    tied = cue.association
    erased, pasted = cue.proof.erased, cue.proof.pasted
    nan = float("nan")
    return {
        "cluster_id": cluster_id(cue, dataset, seen),
        "class_name": dataset.class_names[tied.tied],
        "views": ", ".join(cue.views),
        "n": tied.n,
        "classes": ", ".join(
            f"{name} {count}" for name, count in zip(dataset.class_names, tied.counts, strict=True) if count
        ),
        "class_share": tied.share[0],
        "class_share_low": tied.share[1],
        "class_share_high": tied.share[2],
        "lift": tied.lift,
        "odds_ratio": tied.odds[0],
        "odds_ratio_low": tied.odds[1],
        "odds_ratio_high": tied.odds[2],
        "cramers_v_predicted": tied.v_predicted,
        "cramers_v_label": tied.v_label,
        "purity": tied.purity,
        "p_tied": cue.p_tied,
        "attention_share": cue.attention,
        "object_share": cue.on_object,
        "object_estimated": cue.estimated,
        "proof_status": cue.status,
        "n_proof": cue.proof.n,
        "erase_effect": erased.mean if erased else nan,
        "erase_low": erased.low if erased else nan,
        "erase_high": erased.high if erased else nan,
        "paste_effect": pasted.mean if pasted else nan,
        "paste_low": pasted.low if pasted else nan,
        "paste_high": pasted.high if pasted else nan,
        "turned": cue.proof.turned,
        "turned_control": cue.proof.turned_control,
        "p_erase_fdr": cue.p_erase,
        "p_paste_fdr": cue.p_paste,
    }


def cluster_id(cue: Cue, dataset: Dataset, seen: Seen) -> str:
    """Class and a hash of what was seen where: never a rank, so that it means the same thing in the next run."""
    spot = int(cue.spots[0])
    image_id = dataset.samples[int(seen.positions[seen.spots.image[spot]])].image_id
    place = f"{image_id}:{seen.spots.row[spot]}:{seen.spots.column[spot]}:{cue.views[0]}"
    digest = hashlib.sha256(place.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{dataset.class_names[cue.association.tied]}-{digest[:6]}"


def spot_rows(cue: Cue, dataset: Dataset, seen: Seen) -> list[Row]:
    """Rows of `schema.CLUSTER_SPOTS`, the most typical spot first."""
    name = cluster_id(cue, dataset, seen)
    height, width = seen.spots.grid
    return [
        {
            "cluster_id": name,
            "image_id": dataset.samples[int(seen.positions[seen.spots.image[spot]])].image_id,
            "rank": place + 1,
            "x": (float(seen.spots.column[spot]) + 0.5) / width,
            "y": (float(seen.spots.row[spot]) + 0.5) / height,
            "width": (2 * seen.spots.reach + 1) / width,
            "height": (2 * seen.spots.reach + 1) / height,
            "attention_share": float(seen.spots.share[spot]),
        }
        for place, spot in enumerate(cue.spots)
    ]


def to_arrays(seen: Seen) -> dict[str, NDArray[Any]]:
    """What was looked at as plain arrays, for a shard."""
    arrays = {each.name: getattr(seen, each.name) for each in fields(Seen) if each.name != "spots"}
    spots = {f"spot_{each.name}": getattr(seen.spots, each.name) for each in fields(Spots) if each.name != "grid"}
    return {**arrays, **spots, "grid": np.array(seen.spots.grid)}


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Seen:
    """The inverse of `to_arrays`."""
    named = {each.name: arrays[f"spot_{each.name}"] for each in fields(Spots) if each.name != "grid"}
    spots = Spots(**named, grid=(int(arrays["grid"][0]), int(arrays["grid"][1])))
    return Seen(**{each.name: arrays[each.name] for each in fields(Seen) if each.name != "spots"}, spots=spots)


def _merged(found: Sequence[Group], seen: Seen) -> list[tuple[Indices, list[str]]]:
    """Groups of different views on the same spots become one, which says who saw it."""
    merged: list[tuple[Indices, list[str]]] = []
    for group in found:
        for spots, views in merged:
            both = len(np.intersect1d(spots, group.spots))
            if group.view not in views[:1] and both >= SAME * min(len(spots), len(group.spots)):
                views.append(group.view)
                break
        else:
            merged.append((group.spots, [group.view]))
    return [(spots, list(dict.fromkeys(views))) for spots, views in merged]


def _cue(spots: Indices, views: list[str], seen: Seen, classes: int) -> Cue:
    members = np.unique(seen.spots.image[spots])
    weights = [(int(seen.spots.image[spot]), seen.spots.window(int(spot))) for spot in spots]
    on_object = []
    for image, window in weights:
        heat = np.maximum(seen.maps[image][window], 0) * seen.allowed[image][window]
        on_object.append(float((heat * seen.objects[image][window]).sum() / max(float(heat.sum()), 1e-12)))
    return Cue(
        spots,
        views,
        associate(members, seen.labels, seen.predicted, classes),
        p_tied=float("nan"),
        attention=float(seen.spots.share[spots].mean()),
        on_object=float(np.mean(on_object)),
        estimated=float((~seen.masked[members]).mean()),
    )
