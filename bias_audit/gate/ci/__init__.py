"""Ready files for continuous integration: printed by `bias-audit gate --ci NAME`, edited by whoever saves them."""

from __future__ import annotations

from importlib import resources

READY = {
    "github": ".github/workflows/background-bias.yml",
    "gitlab": ".gitlab-ci.yml",
    "pre-commit": ".pre-commit-config.yaml",
}
"""Service -> where its file is saved in a repository."""


def ready_file(service: str) -> str:
    """The file for a service of READY, as YAML; its first lines say where to save it and what to fill in."""
    return resources.files(__name__).joinpath(f"{service}.yml").read_text(encoding="utf-8")
