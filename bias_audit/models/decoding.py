"""Finds the decoder and the geometry that a configuration asks for, and decodes pictures with TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry
from bias_audit.data.masks import MaskReading
from bias_audit.data.pictures import Decoder
from bias_audit.input_texts import pixel_range
from bias_audit.packages import require

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig


def find_decoder(name: str) -> Decoder | None:
    """The decoder of a configuration; None stands for the one in `data.batches`, which is equal to Pillow.

    Args:
        name: one of `config.DECODERS`.

    Raises:
        PackageError: TensorFlow is not installed, and its decoder was asked for.
    """
    if name != "tensorflow":
        return None
    require("tensorflow", "the decoder of TensorFlow")  # here: what a photo raises is told about the photo
    return tensorflow_decoder


def geometry_of(config: AuditConfig, input_size: tuple[int, int, int]) -> Geometry:
    """The geometry by which pictures become inputs of a model; without an estimate of masks.

    Args:
        config: resize, interpolation, decoder, range of deep pictures, and how mask values are read.
        input_size: (height, width, channels) of the model's input.
    """
    masks = MaskReading(config.mask_foreground, config.mask_ignore, config.limits.pixels)
    decoder = find_decoder(config.decoder)
    return Geometry(
        input_size[:2],
        input_size[2],
        config.resize,
        config.interpolation,
        masks,
        decoder,
        limits=config.limits,
        pixel_range=None if config.pixel_range is None else pixel_range(config.pixel_range),
    )


def tensorflow_decoder(data: bytes, channels: int) -> NDArray[np.uint8]:
    """Decode a picture by `tf.io.decode_image` as `image_dataset_from_directory` does.

    JPEG is decoded with the fast DCT, of an animation the first frame is taken, and alpha is dropped.

    Args:
        data: bytes of the file.
        channels: 3 (RGB) or 1 (grey).

    Returns:
        (H, W, channels) uint8.

    Raises:
        ValueError: a format that TensorFlow does not know, or damaged data.
    """
    from bias_audit.models.tensorflow.framework import tf

    try:
        with tf.device("CPU"):
            decoded = tf.io.decode_image(data, channels=channels, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        said = str(error.message).split("} ", 1)[-1].split(" [Op:")[0]
        raise ValueError(f"TensorFlow, which reads BMP, GIF, JPEG and PNG, says: {said}") from error
    return np.asarray(decoded.numpy(), np.uint8)
