"""Settings of Sphinx for the site; `build.py` calls it."""

import bias_audit

project = "bias-audit"
author = "The bias-audit authors"
copyright = "2026, The bias-audit authors"
release = version = bias_audit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
root_doc = "index"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4  # as GitHub makes them, so that one link holds in both
myst_html_meta = {"robots": "index"}
suppress_warnings = ["myst.header"]  # a rule's text begins its sections at the second order

smartquotes = False  # else --flag would be shown as an en dash and flag
default_role = "code"  # docstrings mark code with single backticks
autodoc_typehints = "none"  # the signature is in the source; docstrings say what values mean
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "bias-audit"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
