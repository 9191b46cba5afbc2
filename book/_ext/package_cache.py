"""Run the book's pages anew when the package they compute with, or a results file, has changed.

The execution cache knows a page by its cells alone. A page whose cells stand while `lstmlab` changes beneath
them would keep its old numbers, and so would one that reads them from a results file. So each state of package and
results has a cache of its own; Sphinx sees that the setting changed and reads every page again.

Sphinx runs a page when it comes to read it, one after the other. Into an empty cache all are run beforehand, on all
processors at once.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.read import is_myst_markdown_notebook

import lstmlab

NOTEBOOK = {"name": "myst_nb_md", "type": "plugin"}     # how jupyter-cache reads a page


def fingerprint(package: Path, results: Path) -> str:
    """Hash of every Python source of the package and every file of results, by name and content."""
    digest = hashlib.sha256()
    for folder, source in [*((package, path) for path in sorted(package.rglob("*.py"))),
                           *((results, path) for path in sorted(results.glob("*.json")))]:
        digest.update(source.relative_to(folder).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def use_cache_of_this_package(app, config) -> None:
    """Set the execution cache to one named after the package's fingerprint, and clear away the others."""
    caches = Path(app.outdir).parent / ".jupyter_cache"
    current = fingerprint(Path(lstmlab.__file__).parent, Path(app.srcdir).parent / "benchmarks" / "results")
    for outdated in caches.glob("*"):
        if outdated.is_dir() and outdated.name != current:
            shutil.rmtree(outdated)
    config.nb_execution_cache_path = str(caches / current)
    if not (caches / current).exists():
        app.connect("env-before-read-docs", run_side_by_side)


def run_side_by_side(app, env, docnames) -> None:
    """Run pages on all processors at once, and keep what they computed for the reading that follows.

    Of a page that fails nothing is kept: the reading runs it again, and reports it.
    """
    cache = get_cache(app.config.nb_execution_cache_path)
    for path in map(env.doc2path, docnames):
        if is_myst_markdown_notebook(Path(path).read_text(encoding="utf-8")):
            cache.add_nb_to_project(str(path), read_data=NOTEBOOK)
    load_executor("local-parallel", cache).run_and_cache(timeout=app.config.nb_execution_timeout)


def setup(app):
    """Connect to Sphinx."""
    app.connect("config-inited", use_cache_of_this_package)
    return {"version": lstmlab.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
