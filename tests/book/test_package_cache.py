"""The execution cache follows the package and the results: pages are computed anew when either changes."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "package_cache.py"


@pytest.fixture(scope="module")
def extension():
    """The book's extension, loaded as a module."""
    spec = importlib.util.spec_from_file_location("package_cache", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fingerprint(extension, tmp_path_factory):
    """The function that names a state of the package, there being no results."""
    nothing = tmp_path_factory.mktemp("results")
    return lambda package: extension.fingerprint(package, nothing)


@pytest.fixture
def package(tmp_path):
    """A package of two files."""
    (tmp_path / "room").mkdir()
    (tmp_path / "__init__.py").write_text("x = 1\n")
    (tmp_path / "room" / "__init__.py").write_text("y = 2\n")
    return tmp_path


def test_fingerprint_stands_while_the_package_does(fingerprint, package):
    """The same sources have the same fingerprint, whatever else lies beside them."""
    before = fingerprint(package)
    (package / "notes.txt").write_text("not code")
    assert fingerprint(package) == before


def test_fingerprint_follows_an_edit(fingerprint, package):
    """An edit in a subpackage changes the fingerprint."""
    before = fingerprint(package)
    (package / "room" / "__init__.py").write_text("y = 3\n")
    assert fingerprint(package) != before


def test_fingerprint_follows_a_rename(fingerprint, package):
    """A file under another name changes the fingerprint."""
    before = fingerprint(package)
    (package / "room" / "__init__.py").rename(package / "room" / "other.py")
    assert fingerprint(package) != before


def test_fingerprint_follows_the_results(extension, package):
    """A page may read its numbers from a results file."""
    results = package / "results"
    results.mkdir()
    before = extension.fingerprint(package, results)
    (results / "long-study.json").write_text("{}")
    assert extension.fingerprint(package, results) != before


def test_each_state_of_the_package_has_its_own_cache(extension, tmp_path):
    """The cache is set to a folder named after the package as it is; those of other states are cleared away."""
    outdated = tmp_path / ".jupyter_cache" / "0123456789ab"
    outdated.mkdir(parents=True)
    config = SimpleNamespace(nb_execution_cache_path="")
    extension.use_cache_of_this_package(SimpleNamespace(outdir=tmp_path / "html", srcdir=tmp_path / "book"), config)
    current = extension.fingerprint(Path(extension.lstmlab.__file__).parent, tmp_path / "benchmarks" / "results")
    assert config.nb_execution_cache_path == str(tmp_path / ".jupyter_cache" / current)
    assert not outdated.exists()
