"""The documentation site: `sphinx-build -W --keep-going -c docs . build/site`.

Pages are read where they are in the repository, so that their links mean the same in both; parts
of them are written by `generators/`. Nothing is fetched, while it is built or while it is read.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "axialcast"
author = "The axialcast developers"
release = version = version_of("axialcast")

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "tests/benchmarks/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
PARTS = {path.split("/")[0] for path in include_patterns}
exclude_patterns = [path.name for path in HERE.parent.iterdir() if path.name not in PARTS]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generators.docstrings",
    "generators.filling",
    "generators.formulas",
]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # outputs are kept in the notebooks, and the tests keep them fresh
nb_merge_streams = True

default_role = "py:obj"  # `names` in docstrings are code, with a link where they are known
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_title = "axialcast"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "monokai"
