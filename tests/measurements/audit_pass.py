"""What the audit pass costs beside a plain prediction, interleaved in one process, and whether memory grows with N.

    python tests/measurements/audit_pass.py MODEL DATA --masks DIR [--preprocess signed] [--class-map FILE]

Prints, per round and as medians: wall and CPU seconds of `model.predict` over
`keras.utils.image_dataset_from_directory`, of the audit pass (list, decode, predict, heatmaps, scores against masks,
shards; no experiments), and their ratio; then peak memory of whole `bias-audit audit` processes without experiments at
N and 4 N images. No assertion: a ratio on a shared machine is a figure to read, not a test.
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
from collections.abc import Callable
from pathlib import Path

from bias_audit.config import AuditConfig, read_class_map
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.heatmaps.attention import attend
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import load_model
from bias_audit.run.folder import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--preprocess", default="none")
    parser.add_argument("--class-map", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="skip the two whole audits")
    options = parser.parse_args()
    time_passes(options)
    if not options.no_memory:
        measure_memory(options)


def time_passes(options: argparse.Namespace) -> None:
    groups = read_class_map(options.class_map) if options.class_map else None
    config = AuditConfig(preprocess=options.preprocess, class_map=groups)
    names = tuple(name for name, _ in groups) if groups else None
    model = load_model(options.model, config, open_dataset(options.data, names).class_names)

    import keras

    plain = keras.saving.load_model(options.model, compile=False)
    preprocess = find_preprocess(options.preprocess, model.input_size[2])
    geometry = geometry_of(config, model.input_size)
    explainer = Explainer(model, config.method, preprocess)

    def predict() -> None:
        batches = keras.utils.image_dataset_from_directory(
            options.data, image_size=model.input_size[:2], batch_size=model.batch_size, shuffle=False, verbose=False
        )
        # The same preprocessing, as a user would map it, so that both sides do the same work.
        plain.predict(batches.map(lambda images, _: preprocess(images)), verbose=0)

    def audit() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder) / "run")
            run.start({}, resume=False, overwrite=False)
            dataset = attach_masks(open_dataset(options.data, names), options.masks)  # both sides list their files
            attend(dataset, explainer, geometry, model.batch_size, run, lambda _: None)

    first = measured(predict), measured(audit)  # trace and warm the file cache
    print(f"{options.model.name}, batch {model.batch_size}, grid {model.grid}, {os.cpu_count()} cores")
    print("first pass, tracing included: " + beside(*first))
    rounds = []
    for number in range(options.rounds):
        # Alternate who goes first: the machine's speed drifts.
        pair = (measured(predict), measured(audit)) if number % 2 == 0 else (measured(audit), measured(predict))[::-1]
        rounds.append(pair)
        print(f"round {number + 1}: {beside(*pair)}")
    for what, kind in (("wall", 0), ("CPU", 1)):
        predicts, audits = ([each[side][kind] for each in rounds] for side in (0, 1))
        ratios = [audited / predicted for predicted, audited in zip(predicts, audits, strict=True)]
        print(
            f"median {what}: predict {statistics.median(predicts):.2f} s, "
            f"audit pass {statistics.median(audits):.2f} s, "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds, the latter of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def beside(predicted: tuple[float, float], audited: tuple[float, float]) -> str:
    return (
        f"predict {predicted[0]:.2f} s ({predicted[1]:.2f} s CPU), audit pass {audited[0]:.2f} s "
        f"({audited[1]:.2f} s CPU), ratio {audited[0] / predicted[0]:.3f} ({audited[1] / predicted[1]:.3f} CPU)"
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
        *("--interventions", "0", "--probes", "0", "--discovery", "0", "--leakage", "0", "--quiet"),
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
