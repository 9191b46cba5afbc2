"""Run the book's pages anew when the package they compute with, or a results file, has changed.

The execution cache knows a page by its cells alone. A page whose cells stand while `lstmlab` changes beneath
them would keep its old numbers, and so would one that reads them from a results file. So each state of package and
results has a cache of its own; Sphinx sees that the setting changed and reads every page again.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import lstmlab


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


def setup(app):
    """Connect to Sphinx."""
    app.connect("config-inited", use_cache_of_this_package)
    return {"version": lstmlab.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
