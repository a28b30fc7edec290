"""How far our probabilities are from those of Keras's two loaders on the same photos.

    python tests/benchmarks/loader_difference.py MODEL DATA [--preprocess signed]

`load_img` decodes with Pillow, as bias-audit does (bit-identical through OpenCV); `image_dataset_from_directory` uses
TensorFlow's own JPEG decoder with the fast, less exact DCT. Prints the differences of pixels (before resizing, grey
levels of 255) and of all output probabilities.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.masks import MaskReading
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sources import open_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preprocess", default="none")
    options = parser.parse_args()

    import keras
    import tensorflow as tf

    model = keras.saving.load_model(options.model, compile=False)
    size = model.input_shape[1:3]
    preprocess = find_preprocess(options.preprocess, 3)
    dataset = open_dataset(options.data, None)
    geometry = Geometry(size, 3, "stretch", "bilinear", MaskReading())
    groups = [group for _, group in load_in_order(dataset.samples, geometry, 32)]
    ours = np.stack([loaded.pixels for group in groups for loaded in group])
    paths = [sample.path for sample in dataset.samples]
    decoded = [keras.utils.img_to_array(keras.utils.load_img(path)) for path in paths]
    pillow = np.stack([tf.image.resize(pixels, size).numpy() for pixels in decoded])
    batches = keras.utils.image_dataset_from_directory(options.data, image_size=size, shuffle=False, verbose=False)
    keras_own = np.concatenate([images.numpy() for images, _ in batches])
    jpegs = [(path, pixels) for path, pixels in zip(paths, decoded, strict=True) if path.suffix.lower() != ".png"]
    levels = [
        float(np.abs(tf.io.decode_image(path.read_bytes(), channels=3).numpy() - pixels).max())
        for path, pixels in jpegs
    ]

    def predict(images: np.ndarray) -> np.ndarray:
        return model.predict(preprocess(images), verbose=0)

    reference = predict(ours)
    print(f"{len(paths)} images, {options.model.name}")
    if levels:
        print(
            f"decoders: largest difference of a JPEG {np.median(levels):.0f} grey levels in the median, "
            f"{max(levels):.0f} at worst"
        )
    for name, images in (("load_img + tf.image.resize", pillow), ("image_dataset_from_directory", keras_own)):
        difference = np.abs(predict(images) - reference)
        same = (predict(images).argmax(axis=1) == reference.argmax(axis=1)).mean()
        worst = difference.max(axis=1)
        print(
            f"{name}: probabilities differ by {np.median(worst):.1e} in the median image, {worst.max():.1e} at worst; "
            f"{same:.1%} of the predictions are the same"
        )


if __name__ == "__main__":
    main()
