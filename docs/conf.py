"""The documentation site: `python -m sphinx -W -c docs docs/pages docs/site`, every warning an error.

Pages are Markdown. What can be read from the program is not written twice: `extensions` makes the reference from
docstrings, the command line from its --help, the description of analysis.json from its JSON Schema, and tables of
measured numbers from the JSON of experiments and benchmarks.
"""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parent))

project = "jaxphase"
author = "the jaxphase authors"
copyright = f"{author}, Apache-2.0"
version = release = installed("jaxphase")

extensions = [
    "myst_parser",
    "extensions.reference",
    "extensions.commands",
    "extensions.schema",
    "extensions.measured",
    "extensions.links",
]
myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3

smartquotes = False  # they would change code in docstrings

html_theme = "furo"
html_title = "jaxphase"
html_static_path = ["pages/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
pygments_style, pygments_dark_style = "friendly", "github-dark"
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"
add_module_names = False
