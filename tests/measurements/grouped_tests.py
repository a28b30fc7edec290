"""How often tests find something in worlds where nothing is to be found, with photos of patients and shared hosts.

    python tests/measurements/grouped_tests.py [--worlds 1000] [NAME ...]

Each line names a world and a test of the package, and gives the share of worlds in which the test finds something:
where nothing is there (at most .05 is allowed) and where something is (the power). Worlds of pictures take 100 ms each,
the others a few. A version of the package that knows no groups is asked without them; with PYTHONPATH the script
measures an older one. `tests/laws/test_group_laws.py` asks the same of fewer worlds.
"""

from __future__ import annotations

import argparse
import inspect
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.proof import Proof, prove
from bias_audit.checks.recurring_cues.rule import proofs
from bias_audit.checks.recurring_cues.spots import find_spots
from bias_audit.config import Thresholds
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.heatmaps.permutation_tie import permutation_tie
from bias_audit.models.base import Predictions

World = Callable[[np.random.Generator, int], bool]

SIDE, CELLS, GREY = 42, 7, 120.0
"""Pictures of 42 x 42 pixels, 7 x 7 cells of the heatmaps, and the grey level of what is neither cue nor control."""

CORNER, STEP, GAIN = 9, 50, 0.075
"""Side of the corner that is erased and pasted, grey levels per standard deviation of its brightness, and probability
per grey level of the mean over a picture: a corner brighter by a standard deviation is worth .17."""

GEOMETRY = Geometry((SIDE, SIDE), 3, "stretch", "bilinear", MaskReading())


def brighter(pixels: np.ndarray) -> Predictions:
    """A model whose probability of class 0 is linear in the mean brightness: effects of a change add up."""
    p = np.clip(0.5 + GAIN * (pixels.mean(axis=(1, 2, 3)) - GREY), 0.01, 0.99)
    both = np.stack([p, 1 - p], axis=1).astype(np.float32)
    return Predictions(both, np.log(both / (1 - both)), np.zeros(len(both), np.float32))


def proved_cue(
    rng: np.random.Generator,
    seed: int,
    *,
    patients: int,
    photos: int,
    hosts: int,
    effect: float = 0,
    named: bool = True,
) -> bool:
    """Whether a cue is proved in a world of lenders of some patients, and of hosts.

    All maps of class 0 peak in the upper left corner. How bright a lender's corner is depends on its patient, and how
    bright a host's is on the host: on average as bright as the rest, or brighter by `effect` in lenders. So erasing
    and pasting have effects in both directions, that are those of the patient and of the host.

    Args:
        rng, seed: of the world, and of hosts and intervals.
        patients, photos: patients of class 0, and photos of each.
        hosts: photos of class 1, each of a patient of its own.
        effect: brightness of the lenders' corners above the rest, in standard deviations between patients.
        named: whether the audit is told which photos belong together.
    """
    proof = _proof(rng, seed, patients, photos, hosts, effect, named)
    if proof.erased is None and proof.pasted is None:
        return False
    p = [1.0 if each is None else each.p for each in (proof.erased, proof.pasted)]
    p_erase, p_paste = stats.benjamini_hochberg(np.array(p))
    row = {"p_erase_fdr": p_erase, "p_paste_fdr": p_paste}
    for name, each in (("erase", proof.erased), ("paste", proof.pasted)):
        row |= {f"{name}_effect": np.nan, f"{name}_low": np.nan}
        row |= {f"{name}_effect": each.mean, f"{name}_low": each.low} if each else {}
    return bool(proofs(pd.Series(row), Thresholds()))


def _proof(
    rng: np.random.Generator, seed: int, patients: int, photos: int, hosts: int, effect: float, named: bool
) -> Proof:
    lenders = patients * photos
    labels = np.repeat([0, 1], [lenders, hosts])
    corners = np.concatenate([np.repeat(rng.normal(effect, 1, patients), photos), rng.normal(0, 1, hosts)])
    corners += rng.normal(0, 0.3, len(labels))
    maps = np.zeros((len(labels), CELLS, CELLS), np.float32)
    maps[labels == 0, 0, 0] = maps[labels == 1, 6, 6] = 1
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder, "mask.bmp")  # a small object in the middle, in every picture
        cv2.imwrite(str(mask), 255 * np.eye(SIDE, dtype=np.uint8)[:, ::-1] * (np.arange(SIDE) // 4 == 5))
        for i, (label, corner) in enumerate(zip(labels, corners, strict=True)):
            picture = GREY + rng.normal(0, 3, (SIDE, SIDE, 3))
            picture[:CORNER, :CORNER] += STEP * corner
            path = Path(folder, f"{rng.integers(1 << 40):x}-{i}.bmp")
            cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
            samples.append(Sample(path.name, path, int(label), mask))
        ones, nothing = np.ones_like(maps), np.zeros_like(maps)
        seen = Seen(
            np.arange(len(labels)), labels, labels, maps, ones, nothing, np.zeros(len(labels), bool),
            find_spots(maps, ones), np.zeros((len(labels), 1), np.float32), np.zeros((len(labels), 1), np.float32),
        )  # fmt: skip
        spots = np.flatnonzero(labels[seen.spots.image] == 0)
        codes = np.concatenate([np.repeat(np.arange(patients), photos), patients + np.arange(hosts)])
        given = {"groups": codes} if named and "groups" in inspect.signature(prove).parameters else {}
        dataset = Dataset(tuple(samples), ("bright", "dark"), "folder")
        return prove(
            dataset, seen, spots, 0, brighter, GEOMETRY, off_object=False, batch=64, seed=seed, keep=0, **given
        )  # fmt: skip


def attention_stands_out(
    rng: np.random.Generator, seed: int, *, patients: int, photos: int, effect: float = 0, named: bool = True
) -> bool:
    """Whether the maps of one of two classes stand out (BA101), each of so many patients, whose maps are alike.

    Args:
        rng, seed: of the world; the test has no seed.
        patients, photos: patients of each class, and photos of each.
        effect: by how much the first class lies higher, in standard deviations between patients.
        named: whether the audit is told which photos belong together.
    """
    codes = np.repeat(np.arange(2 * patients), photos)
    labels = np.repeat(["a", "b"], patients * photos)
    excess = rng.normal(0, 1, 2 * patients)[codes] + 0.5 * rng.normal(0, 1, codes.size) + effect * (labels == "a")
    images = pd.DataFrame({"label": labels, "background_excess_label": excess})
    knows = "groups" in inspect.signature(Evidence).parameters
    given = {"groups": pd.Series(codes, index=images.index)} if named and knows else {}
    compared = Evidence(images, pd.DataFrame(), Thresholds(), **given).attention
    return any(each.stands_out(Thresholds()) for each in compared.values())


def tied(
    rng: np.random.Generator, seed: int, *, patients: int, photos: int, follows: float = 0, named: bool = True
) -> bool:
    """Whether maps are found tied to their objects, where map and object have their place by patient.

    Args:
        rng, seed: of the world, and of the permutations.
        patients, photos: patients, and photos of each; 0 photos = one to five, at random.
        follows: chance that a map lies on its own object, and not where the patient's maps lie anyway.
        named: whether the audit is told which photos belong together.
    """
    sizes = np.full(patients, photos) if photos else rng.integers(1, 6, patients)
    codes = np.repeat(np.arange(patients), sizes)
    heat, places = (rng.integers(0, 4, (patients, 2))[codes] for _ in range(2))
    # Within a patient both move a little, each for itself.
    heat, places = (np.clip(each + rng.integers(-1, 2, each.shape), 0, 4) for each in (heat, places))
    on = rng.random(codes.size) < follows
    heat = np.where(on[:, None], places, heat)
    maps, objects = (np.stack([_block(*place) for place in each]) for each in (heat, places))
    maps = maps + 0.2 * rng.random(maps.shape)
    knows = "groups" in inspect.signature(permutation_tie).parameters
    given = {"groups": codes} if named and knows else {}
    tie = permutation_tie(maps, objects, objects, 1 - objects, seed=seed, permutations=399, **given)
    return bool(tie.p <= 0.05)


def _block(row: int, column: int) -> np.ndarray:
    cells = np.zeros((6, 6))
    cells[row : row + 2, column : column + 2] = 1
    return cells


NULL: dict[str, World] = {
    "BA302, 4 patients x 5": partial(proved_cue, patients=4, photos=5, hosts=60),
    "BA302, 12 patients x 5": partial(proved_cue, patients=12, photos=5, hosts=60),
    "BA302, 40 patients x 5": partial(proved_cue, patients=40, photos=5, hosts=60),
    "BA302, 20 lenders on 5 hosts": partial(proved_cue, patients=20, photos=1, hosts=5),
    "BA302, 20 lenders on 12 hosts": partial(proved_cue, patients=20, photos=1, hosts=12),
    "BA302, 20 lenders on 60 hosts": partial(proved_cue, patients=20, photos=1, hosts=60),
    "BA101, 4 patients x 10": partial(attention_stands_out, patients=4, photos=10),
    "BA101, 12 patients x 10": partial(attention_stands_out, patients=12, photos=10),
    "BA101, 40 patients x 5": partial(attention_stands_out, patients=40, photos=5),
    "BA101, 40 photos": partial(attention_stands_out, patients=40, photos=1),
    "tie, 4 patients x 10": partial(tied, patients=4, photos=10),
    "tie, 12 patients x 10": partial(tied, patients=12, photos=10),
    "tie, 40 patients x 5": partial(tied, patients=40, photos=5),
    "tie, 40 patients x 1-5": partial(tied, patients=40, photos=0),
    "tie, 40 photos": partial(tied, patients=40, photos=1),
}
"""Worlds where nothing is to be found."""

THERE: dict[str, World] = {
    "BA302, 20 lenders on 60 hosts": partial(proved_cue, patients=20, photos=1, hosts=60, effect=1),
    "BA302, 20 lenders on 12 hosts": partial(proved_cue, patients=20, photos=1, hosts=12, effect=1),
    "BA302, 40 patients x 5": partial(proved_cue, patients=40, photos=5, hosts=60, effect=1),
    "BA302, 12 patients x 5": partial(proved_cue, patients=12, photos=5, hosts=60, effect=1),
    "BA302, 40 patients x 5, not told": partial(proved_cue, patients=40, photos=5, hosts=60, effect=1, named=False),
    "BA101, 40 photos": partial(attention_stands_out, patients=40, photos=1, effect=1),
    "BA101, 40 patients x 5": partial(attention_stands_out, patients=40, photos=5, effect=1),
    "BA101, 12 patients x 10": partial(attention_stands_out, patients=12, photos=10, effect=1),
    "tie, 40 photos": partial(tied, patients=40, photos=1, follows=0.2),
    "tie, 40 patients x 5": partial(tied, patients=40, photos=5, follows=0.2),
    "tie, 40 patients x 1-5": partial(tied, patients=40, photos=0, follows=0.2),
    "tie, 12 patients x 10": partial(tied, patients=12, photos=10, follows=0.2),
}
"""Worlds where something is to be found."""


def rate(world: World, worlds: int) -> float:
    """Share of worlds in which the test finds something; world i has seed i."""
    return float(np.mean([world(np.random.default_rng(seed), seed) for seed in range(worlds)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginning of the names of worlds; none = all")
    parser.add_argument("--worlds", type=int, default=1000)
    options = parser.parse_args()
    for title, worlds in (("nothing is there", NULL), ("something is there", THERE)):
        print(f"found where {title}, of {options.worlds} worlds:")
        for name, world in worlds.items():
            if not options.names or name.startswith(tuple(options.names)):
                print(f"  {name:36s} {rate(world, options.worlds):.3f}", flush=True)


if __name__ == "__main__":
    main()
