"""What a reviewer would be answered who draws the lower quarter of every photo of a class.

    python tests/measurements/drawn_regions.py RUN MODEL CLASS

RUN is a copy of a finished run of MODEL: the answers are kept in it. Prints, per photo, the rise of the class's
probability on photos of other classes beyond the control, with interval and corrected p, the share that is turned, and
what erasing does; then the range of the rises. No assertion: figures to read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bias_audit.pipeline.live_test import LiveModel
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import load

QUARTER = [[0, 0.75], [1, 0.75], [1, 1], [0, 1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("class_name")
    options = parser.parse_args()
    live = LiveModel(options.run, options.model, Progress(QUIET))
    images = load(options.run).images
    seconds = []
    for image_id in images.index[(images["label"] == options.class_name) & (images["status"] == "ok")]:
        start = time.monotonic()
        live.answer(str(image_id), QUARTER, "lower quarter", "benchmark", options.class_name)
        seconds.append(time.monotonic() - start)
    table = load(options.run).hypotheses
    for _, row in table.iterrows():
        rise = f"{row['paste_effect']:.3f} [{row['paste_low']:.3f}, {row['paste_high']:.3f}], p {row['p_fdr']:.3f}"
        turned = f"n {row['n_hosts']}, turned {row['turned']:.2f} (control {row['turned_control']:.2f})"
        erased = f"erased {row['probability']:.2f} -> {row['probability_erased']:.2f}"
        print(f"{row['image_id']}: {rise}, {turned}, on the object {row['object_share']:.2f}; {erased}")
    judged = [outcome.status for outcome in load(options.run).outcomes if outcome.code == "BA303"]
    rises = table["paste_effect"]
    print(f"rises {rises.min():.3f} to {rises.max():.3f}; confirmed {judged.count('found')} of {len(judged)}")
    print(f"an answer takes {sorted(seconds)[len(seconds) // 2]:.1f} s")


if __name__ == "__main__":
    main()
