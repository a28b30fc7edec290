"""bias-audit: does an image classifier look at the object, or at the background?

Public names are resolved on first use, so `import bias_audit` costs nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig, Thresholds
    from bias_audit.errors import BiasAuditError, ConfigError, DataError, ModelError, PackageError, ResultError
    from bias_audit.heatmaps.explained import Explained
    from bias_audit.heatmaps.explanation import explain
    from bias_audit.heatmaps.inspection import inspect
    from bias_audit.pipeline.audit import audit
    from bias_audit.run.result import AuditResult, load

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent until a program sets up logging

_HOME = {
    "AuditConfig": "config",
    "Thresholds": "config",
    "BiasAuditError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "ModelError": "errors",
    "PackageError": "errors",
    "ResultError": "errors",
    "audit": "pipeline.audit",
    "Explained": "heatmaps.explained",
    "explain": "heatmaps.explanation",
    "inspect": "heatmaps.inspection",
    "AuditResult": "run.result",
    "load": "run.result",
}

__all__ = [
    "AuditConfig",
    "AuditResult",
    "BiasAuditError",
    "ConfigError",
    "DataError",
    "Explained",
    "ModelError",
    "PackageError",
    "ResultError",
    "Thresholds",
    "__version__",
    "audit",
    "explain",
    "inspect",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bias_audit' has no attribute {name!r}")
    from bias_audit.packages import needed

    with needed(f"bias_audit.{name}"):
        return getattr(importlib.import_module(f"bias_audit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
