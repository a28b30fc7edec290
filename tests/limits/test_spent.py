"""What a thread spends is counted for this thread, once, and by kind."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading
from bias_audit.limits import spent as counted
from bias_audit.limits.spent import Spent, spent, waiting
from bias_audit.limits.watchdog import watched


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the clock shows: the last of the list."""
    shown = [0.0]
    monkeypatch.setattr(counted.time, "perf_counter", lambda: shown[-1])
    return shown


def test_a_call_inside_a_call_counts_once(clock: list[float]) -> None:
    before = spent()
    with watched("the explanation", 100, 5):
        clock.append(2.0)
        with watched("the prediction", 100, 5):
            clock.append(3.0)
    with watched("the map, made by the method", 100):
        clock.append(3.5)
    assert spent() - before == Spent(model=3.5, asked=5)


def test_a_call_that_fails_counts(clock: list[float]) -> None:
    def fails() -> None:
        with watched("a prediction", 100, 2):
            clock.append(4.0)
            raise ValueError("no")

    before = spent()
    with pytest.raises(ValueError, match="no"):
        fails()
    with waiting():
        clock.append(5.0)
    assert spent() - before == Spent(model=4.0, waited=1.0, asked=2)


def test_threads_count_for_themselves() -> None:
    before, others = spent(), []

    def work() -> None:
        with watched("a prediction", 100, 7):
            pass
        others.append(spent())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert spent() == before
    assert others[0].asked == 7


def test_photos_and_bytes_of_a_pass(tmp_path: Path) -> None:
    samples = []
    for i in range(5):
        photo, mask = tmp_path / f"{i}.png", tmp_path / f"{i}.mask.png"
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(photo)
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(mask)
        samples.append(Sample(str(i), photo, 0, mask=mask))
    samples[2].path.write_bytes(b"no picture")
    before = spent()
    list(load_in_order(samples, Geometry((8, 8), 3, "stretch", "bilinear", MaskReading()), 2))
    done = spent() - before
    assert done.read == 5
    assert done.size == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert done.waited > 0
    assert done.asked == 0
