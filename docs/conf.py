"""How the docs site is built: `make docs`. Pages are those of this folder; notebooks under tutorials/ are run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import get_type_hints

from docutils.nodes import SkipNode, math, math_block
from docutils.utils.math.latex2mathml import tex2mathml
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation
from sphinx.writers.html5 import HTML5Translator

import bidpilot

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("bidding", "envs", "solvers", "agents", "training", "serving", "bidpilot")

ASIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
HOME = re.compile(rf"\]\((?:docs/([\w/]+\.\w+)|(?:\.\./)?({'|'.join(ASIDE)}))")
"""Links from a page above this folder into it, and to such pages."""

project = "bidpilot"
release = version = bidpilot.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
exclude_patterns = ["figures"]
html_theme = "furo"
html_title = "bidpilot"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["site.css"]

# Pages read alike here and on GitHub: its anchors, its fences, its comments.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
myst_links_external_new_tab = True

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
default_role = "code"
html_math_renderer = "mathml"


def code_digest() -> str:
    """Digest of the code and its data, by which runs of notebooks are kept: a change of code runs all of them again."""
    digest = hashlib.blake2b(digest_size=8)
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".json", ".yaml"}:
                digest.update(path.relative_to(ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def fresh_cache(folder: Path) -> Path:
    """The cache of today's code; those of other code are removed."""
    here = folder / code_digest()
    for old in folder.glob("*"):
        if old != here:
            shutil.rmtree(old)
    return here


# Notebooks call the commands of this environment, as a reader does in an activated one.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TTY_COMPATIBLE": "0",  # a kernel asks for colours, of which a page has none
}
# Each notebook runs in a temporary folder, which is its project: its runs are gone with it.
nb_execution_mode = "cache"
nb_execution_cache_path = str(fresh_cache(ROOT / "build" / "notebooks"))
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress of libraries


def show_math(translator: HTML5Translator, node: math) -> None:
    """Formulas are MathML, which browsers draw by themselves, offline too."""
    translator.body.append(tex2mathml(node.astext()))
    raise SkipNode


def show_math_block(translator: HTML5Translator, node: math_block) -> None:
    """A formula of its own."""
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


def within_site(text: str) -> str:
    """Links of a page, written for GitHub, as the site has them: pages above this folder are pages of the site."""
    return HOME.sub(lambda link: f"]({link[1] or ASIDE[link[2]]}", text)


def describe_fields(_app: Sphinx, _what: str, _name: str, thing: object, _options: object, lines: list[str]) -> None:
    """Fields of a configuration with their own descriptions, which are not in its docstring."""
    if isinstance(thing, type) and issubclass(thing, BaseModel):
        plain = get_type_hints(thing)
        lines += ["", "Args:"]
        lines += [
            f"    {name} ({stringify_annotation(plain[name], 'smart').replace('~', '')}): {field.description or ''}"
            for name, field in thing.model_fields.items()
        ]


def mark_code(_app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Indented lines after a paragraph of a docstring are code."""
    marked: list[str] = []
    said = ""  # the last line that is not empty
    for line in lines:
        begins = line.startswith("    ") and marked and not marked[-1].strip()
        if begins and said and not said.startswith(" ") and not said.endswith(":"):
            marked += ["::", ""]
        marked.append(line)
        said = line if line.strip() else said
    lines[:] = marked


def setup(app: Sphinx) -> None:
    """Register what is ours."""

    def read(_app: Sphinx, _page: str, content: list[str]) -> None:
        content[0] = within_site(content[0])

    def included(_app: Sphinx, _path: Path, _page: str, content: list[str]) -> None:
        content[0] = within_site(content[0])

    for hook in (mark_code, describe_fields):
        app.connect("autodoc-process-docstring", hook, priority=400)  # before napoleon reads the docstring
    app.connect("source-read", read)
    app.connect("include-read", included)
    app.add_html_math_renderer("mathml", inline_renderers=(show_math, None), block_renderers=(show_math_block, None))
