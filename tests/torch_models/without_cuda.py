"""Lets torchvision be imported beside a PyTorch without CUDA: import this first.

The registry's wheel of torchvision is built for CUDA, so its compiled operations do not load here. They are for
detection, and no classifier uses them; the import of torchvision wants the declaration of two of them.
"""

from __future__ import annotations

import contextlib

import torch

for _name in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):  # a wheel that fits brings its own
        torch.library.define(f"torchvision::{_name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
