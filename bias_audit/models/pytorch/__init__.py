"""Modules of PyTorch: in memory, of torchvision, timm and Hugging Face by name, and saved programs."""
