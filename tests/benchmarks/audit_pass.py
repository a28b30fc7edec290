"""What the audit pass costs beside a plain prediction, interleaved in one process, and whether memory grows with N.

    python tests/benchmarks/audit_pass.py MODEL DATA --masks DIR [--preprocess signed] [--class-map FILE]

Prints, per round and as medians: seconds of `model.predict` over `keras.utils.image_dataset_from_directory`, seconds
of the audit pass (decode, predict, heatmaps, scores against masks, shards; no interventions), and their ratio; then
peak memory of whole `bias-audit audit --interventions 0` processes at N and 4 N images. No assertion: a ratio on a
shared machine is a figure to read, not a test.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bias_audit.attention import attend
from bias_audit.attribution.methods import Explainer
from bias_audit.config import AuditConfig, read_class_map
from bias_audit.data.batches import Geometry
from bias_audit.data.masks import MaskReading
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sources import attach_masks, open_dataset
from bias_audit.models.base import load_model
from bias_audit.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--preprocess", default="none")
    parser.add_argument("--class-map", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    time_passes(options)
    measure_memory(options)


def time_passes(options: argparse.Namespace) -> None:
    groups = read_class_map(options.class_map) if options.class_map else None
    config = AuditConfig(preprocess=options.preprocess, class_map=groups)
    dataset = open_dataset(options.data, tuple(name for name, _ in groups) if groups else None)
    dataset = attach_masks(dataset, options.masks)
    model = load_model(options.model, config, dataset.class_names)

    import keras

    plain = keras.saving.load_model(options.model, compile=False)
    preprocess = find_preprocess(options.preprocess, model.input_size[2])
    geometry = Geometry(model.input_size[:2], model.input_size[2], config.resize, config.interpolation, MaskReading())

    explainer = Explainer(model, config.method, preprocess)

    def predict() -> float:
        start = time.perf_counter()
        batches = keras.utils.image_dataset_from_directory(
            options.data, image_size=model.input_size[:2], batch_size=config.batch_size, shuffle=False, verbose=False
        )
        # The same preprocessing, as a user would map it, so that both sides do the same work.
        plain.predict(batches.map(lambda images, _: preprocess(images)), verbose=0)
        return time.perf_counter() - start

    def audit() -> float:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder) / "run")
            run.start({}, resume=False, overwrite=False)
            start = time.perf_counter()
            attend(dataset, explainer, geometry, config.batch_size, run, lambda _: None)
            return time.perf_counter() - start

    predict(), audit()  # trace and warm the file cache
    rounds = []
    print(f"{len(dataset.samples)} images, {options.model.name}, batch {config.batch_size}, grid {model.grid}")
    for number in range(options.rounds):
        # Alternate who goes first: the machine's speed drifts.
        seconds = (predict(), audit()) if number % 2 == 0 else (audit(), predict())[::-1]
        rounds.append(seconds)
        print(
            f"round {number + 1}: predict {seconds[0]:.2f} s, audit pass {seconds[1]:.2f} s, "
            f"ratio {seconds[1] / seconds[0]:.3f}"
        )
    predicts, audits = zip(*rounds, strict=True)
    ratios = [audited / predicted for predicted, audited in rounds]
    print(
        f"median: predict {statistics.median(predicts):.2f} s, audit pass {statistics.median(audits):.2f} s, "
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )


def measure_memory(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, four = Path(folder) / "one", Path(folder) / "four"
        for target, copies in ((one, 1), (four, 4)):
            for kind, source in (("images", options.data), ("masks", options.masks)):
                for file in source.rglob("*"):
                    if file.is_file():
                        for copy in range(copies):
                            link = target / kind / file.relative_to(source).with_stem(f"{file.stem}-{copy}")
                            link.parent.mkdir(parents=True, exist_ok=True)
                            os.symlink(file.resolve(), link)
        peaks = [_peak(options, target) for target in (one, four)]
        print(f"peak memory: {peaks[0]:.0f} MB at N, {peaks[1]:.0f} MB at 4 N, ratio {peaks[1] / peaks[0]:.3f}")


def _peak(options: argparse.Namespace, data: Path) -> float:
    """Peak resident memory in MB of one audit process; measured in a child of its own, so peaks do not mix."""
    command = [
        *(str(Path(sys.executable).parent / "bias-audit"), "audit", str(options.model), str(data / "images")),
        *("--masks", str(data / "masks"), "--out", str(data / "run"), "--preprocess", options.preprocess),
        *("--interventions", "0", "--quiet"),
        *(("--class-map", str(options.class_map)) if options.class_map else ()),
    ]
    shutil.rmtree(data / "run", ignore_errors=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the audit failed: {' '.join(command)}")
    assert isinstance(usage, resource.struct_rusage)
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
