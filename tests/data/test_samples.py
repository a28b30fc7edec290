"""Samples by column are those that were listed, whatever their names, and take little memory."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.data import samples as module
from bias_audit.data.dataset import Indexed, Sample
from bias_audit.data.samples import Chosen, Samples

PART = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=6).filter(lambda part: part != "..")
PATHS = st.lists(PART, max_size=4).map(lambda parts: Path(*parts)) | PART.map(lambda part: Path("/", part))
MASKS = st.none() | PATHS | st.builds(Indexed, PATHS, st.just((1,)))
SAMPLES = st.builds(
    Sample,
    st.text(),
    PATHS,
    st.integers(-1, 30_000),
    MASKS,
    st.just(()) | st.just(((0.0, 1.0, 2.0, 3.0),)),
    st.sampled_from([{}, {"site": "a", "age": 3}, {"site": None, "age": 4.5}, {"other": 1}]),
    st.sampled_from(["", "of no use"]),
)


@given(st.lists(SAMPLES, max_size=8))
def test_each_is_the_one_that_was_given(listed):
    listed = [*listed, *(replace(each, image_id=f"a/{each.path.name}") for each in listed)]
    samples = Samples(iter(listed))
    assert len(samples) == len(listed)
    assert list(samples) == listed
    assert [samples[position] for position in range(-len(listed), 0)] == listed
    assert samples[1:-1] == tuple(listed)[1:-1]
    assert samples[::-2] == tuple(listed)[::-2]
    assert [dict(sample.columns) for sample in samples] == [dict(sample.columns) for sample in listed]


def test_equal_to_any_sequence_of_equal_samples():
    listed = (Sample("a.png", Path("a.png"), 0), Sample("b.png", Path("b.png"), 1))
    samples = Samples(listed)
    assert samples == listed == samples == Samples(listed)
    assert samples != listed[:1]
    assert samples != (listed[0], replace(listed[1], label=2))
    with pytest.raises(IndexError):
        samples[2]


def test_bytes_of_a_name_that_are_no_utf8():
    path = Path(b"/photos/\xff.png".decode("utf-8", "surrogateescape"))
    assert Samples([Sample("\\xff.png", path, 0)])[0].path == path


def test_a_photo_takes_little_memory():
    """As objects, 640 bytes: ten million photos would not fit beside a model."""
    paths = [(Path(f"/photos/c/{i:08}.jpg"), Path(f"/masks/c/{i:08}.png")) for i in range(5_000)]
    tracemalloc.start()
    samples = Samples(Sample(f"c/{path.name}", path, 1, mask) for path, mask in paths)
    of_samples = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, module.__file__)])
    tracemalloc.stop()
    assert 0 < sum(trace.size for trace in of_samples.traces) / len(samples) < 90


def test_chosen_in_the_order_of_their_positions():
    samples = Samples(Sample(str(i), Path(str(i)), i) for i in range(5))
    chosen = Chosen(samples, np.array([4, 0, 2]))
    assert [sample.label for sample in chosen] == [4, 0, 2]
    assert [sample.label for sample in chosen[1:]] == [0, 2]
