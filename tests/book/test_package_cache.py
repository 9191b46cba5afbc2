"""The execution cache follows the package and the results: pages are computed anew when either changes."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_cache import get_cache

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
    config, connected = SimpleNamespace(nb_execution_cache_path=""), []
    app = SimpleNamespace(outdir=tmp_path / "html", srcdir=tmp_path / "book",
                          connect=lambda *what: connected.append(what))
    extension.use_cache_of_this_package(app, config)
    current = extension.fingerprint(Path(extension.lstmlab.__file__).parent, tmp_path / "benchmarks" / "results")
    assert config.nb_execution_cache_path == str(tmp_path / ".jupyter_cache" / current)
    assert not outdated.exists()
    assert connected == [("env-before-read-docs", extension.run_side_by_side)]         # it is empty
    (tmp_path / ".jupyter_cache" / current).mkdir()
    extension.use_cache_of_this_package(app, config)
    assert len(connected) == 1


def test_an_empty_cache_is_filled_before_the_pages_are_read(extension, tmp_path):
    """Every page that computes is run; of one that fails nothing is kept, so that the reading reports it."""
    head = "---\nfile_format: mystnb\nkernelspec: {name: python3}\n---\n# A page\n"
    pages = {"right": "```{code-cell}\nprint(6 * 7)\n```\n", "wrong": "```{code-cell}\n1 / 0\n```\n"}
    for name, cells in pages.items():
        (tmp_path / f"{name}.md").write_text(head + cells)
    (tmp_path / "words.md").write_text("# No cells\n")
    config = SimpleNamespace(nb_execution_cache_path=str(tmp_path / "cache"), nb_execution_timeout=60)
    env = SimpleNamespace(doc2path=lambda name: str(tmp_path / f"{name}.md"))
    extension.run_side_by_side(SimpleNamespace(config=config), env, [*pages, "words"])
    record, = get_cache(config.nb_execution_cache_path).list_cache_records()
    assert Path(record.uri).stem == "right"
    notebook = get_cache(config.nb_execution_cache_path).get_cache_bundle(record.pk).nb
    assert [output.text for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs] == ["42\n"]
