"""How far our probabilities are from those of Keras's loaders on the same photos, without and with --loader.

    python tests/measurements/loader_difference.py MODEL DATA [--preprocess signed]

`load_img` decodes with Pillow, as bias-audit does (bit-identical through OpenCV); `image_dataset_from_directory` uses
TensorFlow's own JPEG decoder with the fast, less exact DCT. Prints the differences of pixels (before resizing, grey
levels of 255) and of all output probabilities.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bias_audit.config import AuditConfig
from bias_audit.data.batches import load_in_order
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sources import open_dataset
from bias_audit.models.decoding import geometry_of


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

    def load(loader: str | None) -> np.ndarray:
        geometry = geometry_of(AuditConfig(loader=loader), (*size, 3))
        groups = [group for _, group in load_in_order(dataset.samples, geometry, 32)]
        return np.stack([loaded.pixels for group in groups for loaded in group])

    paths = [sample.path for sample in dataset.samples]
    decoded = [keras.utils.img_to_array(keras.utils.load_img(path)) for path in paths]
    nearest = np.stack([keras.utils.img_to_array(keras.utils.load_img(path, target_size=size)) for path in paths])
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

    print(f"{len(paths)} images, {options.model.name}")
    if levels:
        print(
            f"decoders: largest difference of a JPEG {np.median(levels):.0f} grey levels in the median, "
            f"{max(levels):.0f} at worst"
        )
    for name, images, loader in (
        ("load_img + tf.image.resize", pillow, None),
        ("image_dataset_from_directory", keras_own, None),
        ("image_dataset_from_directory", keras_own, "image_dataset_from_directory"),
        ("load_img, flow_from_directory", nearest, None),
        ("load_img, flow_from_directory", nearest, "flow_from_directory"),
    ):
        reference, theirs = predict(load(loader)), predict(images)
        same = (theirs.argmax(axis=1) == reference.argmax(axis=1)).mean()
        worst = np.abs(theirs - reference).max(axis=1)
        print(
            f"{name} against {f'--loader {loader}' if loader else 'the default'}: probabilities differ by "
            f"{np.median(worst):.1e} in the median image, {worst.max():.1e} at worst; "
            f"{same:.1%} of the predictions are the same"
        )


if __name__ == "__main__":
    main()
