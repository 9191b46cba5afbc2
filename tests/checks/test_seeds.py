"""There are no hidden tests, only hidden numbers: what passes once passes with every seed."""

import pytest

from tests.checks.test_notebooks import EACH, functions, judged, read


@pytest.mark.full
@pytest.mark.parametrize(("name", "check"), EACH)
def test_a_solution_passes_with_two_hundred_seeds(name, check, record_property):
    """The solution that passes in the notebook passes at grading, whatever the inputs."""
    fn = functions(read(name))[check.name]
    failed = [seed for seed in range(200) if not judged(check, fn, seed).right]
    record_property("seeds", 200)
    record_property("failed", len(failed))
    assert failed == []
