"""What the probe of the background and the file properties find in real data, and how often in shuffled labels.

    python tests/measurements/leakage_rates.py IMAGES MASKS [--shuffles N] [--most N]

Prints AUCs with intervals, seconds per 1,000 images, and over N shufflings of the labels how often BA401 and BA402
would speak. No assertion: the numbers are to be read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from bias_audit import stats
from bias_audit.checks.data_leaks.background_probe import background_features, probe
from bias_audit.checks.data_leaks.properties import Association, associations, file_properties, pixel_properties
from bias_audit.config import Thresholds
from bias_audit.data import sampling
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.duplicates import perceptual_hash
from bias_audit.data.masks import MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks


def speaks(found: list[Association], bounds: Thresholds) -> bool:
    """Whether BA402 would: any property, after correction, and strong enough."""
    corrected = stats.benjamini_hochberg(np.array([one.p for one in found]))
    strong = [
        (abs(2 * one.value - 1) if one.measure == "AUC" else one.value) >= 2 * bounds.min_leak - 1 for one in found
    ]
    return bool(((corrected <= bounds.fdr) & np.array(strong)).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--shuffles", type=int, default=100)
    parser.add_argument("--most", type=int, default=1000)
    options = parser.parse_args()
    bounds = Thresholds()
    dataset = attach_masks(open_dataset(options.images, None), options.masks)
    samples = [dataset.samples[position] for position in sampling.spread(dataset, options.most, 0)]
    geometry = Geometry((224, 224), 3, "stretch", "bilinear", MaskReading())
    seconds = dict.fromkeys(("background", "whole image", "properties", "file", "hash"), 0.0)
    grounds, wholes, rows, labels = [], [], [], []
    for start, group in load_in_order(samples, geometry, 16):
        for offset, loaded in enumerate(group):
            sample = samples[start + offset]
            if loaded.pixels is None or loaded.mask is None or loaded.mask_status != "ok":
                continue
            times = [time.perf_counter()]
            ground = background_features(loaded.pixels, loaded.mask)
            times.append(time.perf_counter())
            whole = background_features(loaded.pixels, np.zeros_like(loaded.mask))
            times.append(time.perf_counter())
            properties = pixel_properties(loaded.pixels)
            times.append(time.perf_counter())
            properties.update(file_properties(sample.path))
            times.append(time.perf_counter())
            perceptual_hash(loaded.pixels)
            times.append(time.perf_counter())
            for name, spent in zip(seconds, np.diff(times), strict=True):
                seconds[name] += float(spent)
            if ground is not None and whole is not None:
                grounds.append(ground)
                wholes.append(whole)
                rows.append(properties)
                labels.append(sample.label)
    truth, n = np.array(labels), len(labels)
    print(f"{options.images}: {n} of {len(samples)} photos")
    print("seconds per 1,000:", {name: round(1000 * spent / n, 1) for name, spent in seconds.items()})
    for name, features in (("background", np.stack(grounds)), ("whole image", np.stack(wholes))):
        start_time = time.perf_counter()
        for one in probe(features, truth, dataset.class_names, seed=0):
            print(f"{name} {one.subject or 'all'}: AUC {one.auc:.3f} [{one.low:.3f}, {one.high:.3f}] p {one.p:.3f}")
        print(f"  probe with its permutations: {time.perf_counter() - start_time:.1f} s")
    start_time = time.perf_counter()
    found = associations(rows, truth, dataset.class_names, seed=0)
    print(f"associations: {time.perf_counter() - start_time:.1f} s, BA402 {speaks(found, bounds)}")
    for one in sorted(found, key=lambda one: one.p)[:6]:
        where = f" of {one.class_name}" if one.class_name else ""
        print(f"  {one.name}{where}: {one.measure} {one.value:.2f} [{one.low:.2f}, {one.high:.2f}] p {one.p:.2g}")
    rng, backgrounds, significant, properties_hit = np.random.default_rng(0), 0, 0, 0
    for seed in range(options.shuffles):
        shuffled = rng.permutation(truth)
        first = probe(np.stack(grounds), shuffled, dataset.class_names, seed=seed, permutations=99)[0]
        significant += first.p <= bounds.fdr
        backgrounds += first.p <= bounds.fdr and first.auc >= bounds.min_leak
        properties_hit += speaks(associations(rows, shuffled, dataset.class_names, seed=seed), bounds)
    for name, hits in (
        ("p of the probe", significant),
        ("BA401", backgrounds),
        ("BA402", properties_hit),
    ):
        low, high = stats.wilson(hits, options.shuffles)
        print(f"{name} on shuffled labels: {hits} of {options.shuffles} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
