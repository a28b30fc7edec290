"""Channels in front of rows and columns, as PyTorch and ONNX want them."""

import numpy as np
import pytest

from bias_audit.models.batched import channels_first


@pytest.mark.parametrize("shape", [(2, 3, 5, 3), (1, 4, 4, 1), (3, 1, 7, 4), (0, 4, 4, 3)])
def test_as_numpy_transposes(shape):
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    turned = channels_first(images)

    np.testing.assert_array_equal(turned, images.transpose(0, 3, 1, 2))
    assert turned.flags.c_contiguous
    assert turned.dtype == np.float32


def test_a_view_with_gaps_is_read_as_it_looks():
    images = np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype(np.float32)[:, ::2, :, ::-1]

    np.testing.assert_array_equal(channels_first(images), images.transpose(0, 3, 1, 2))
    assert not np.shares_memory(channels_first(images), images)
