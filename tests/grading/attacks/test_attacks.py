"""Whatever a hostile notebook does, it gains no point, gets nowhere, and grading goes on."""

import functools
import re

import pytest

from . import colluding, forging, patching, resources, stealing, system_calls
from .harness import Outcome, expected_numbers, release, run, run_together, seeds

GROUPS = {"patching": patching.ATTACKS, "stealing": stealing.ATTACKS, "forging": forging.ATTACKS,
          "colluding": colluding.ATTACKS, "resources": resources.ATTACKS, "system calls": system_calls.ATTACKS}
ATTACKS = {(group, attack.title): attack for group, attacks in GROUPS.items() for attack in attacks}
STATUSES = {"graded", "failed", "timed out", "needs a look"}


@functools.cache
def notebook_of(together):
    """Outcomes by title of the attacks that share a notebook."""
    return run_together([attack for attack in ATTACKS.values() if attack.together == together])


def outcome_of(attack) -> Outcome:
    return notebook_of(attack.together)[attack.title] if attack.together else run(attack)


def names():
    """Every attack as a parameter; those that take long only in the full tests."""
    return [pytest.param(*key, marks=[pytest.mark.full] * attack.full, id="-".join(key))
            for key, attack in ATTACKS.items()]


@pytest.mark.parametrize(("group", "title"), names())
def test_an_attack_gains_nothing(group, title):
    """No point, nothing outside touched or told, no process left, a status; and the attack really ran."""
    attack = ATTACKS[group, title]
    outcome = outcome_of(attack)
    assert outcome.crash == ""
    assert outcome.gained == 0
    assert outcome.escapes == []
    assert outcome.graded.earned >= attack.keeps
    assert outcome.graded.status in STATUSES
    assert re.search(attack.ran, outcome.shown), outcome.shown[-3000:]
