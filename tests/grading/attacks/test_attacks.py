"""Whatever a hostile notebook does, it gains no point, gets nowhere, and grading goes on."""

import functools
import re

import pytest

from lstmlab.grading import grade as grading
from lstmlab.grading.sandbox import Limits

from . import colluding, forging, patching, resources, stealing, surgery, system_calls
from .harness import Outcome, attempt, encoded, notebook, release, run, run_together, seeds

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
    """Every attack as a parameter; by default those that share a notebook, and a third of the others that are quick."""
    return [pytest.param(*key, marks=[pytest.mark.full] * bool(attack.full or (n % 3 and not attack.together)),
                         id="-".join(key)) for n, (key, attack) in enumerate(ATTACKS.items())]


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


@functools.cache
def cut(title):
    """The outcome of a notebook that was cut up."""
    found, = (c for c in surgery.CUTS if c.title == title)
    return attempt(found.raw(), Limits(seconds=2))


@pytest.mark.parametrize("found", [pytest.param(c, marks=[pytest.mark.full] * bool(c.full or n % 2), id=c.title)
                                   for n, c in enumerate(surgery.CUTS)])
def test_surgery_gains_nothing(found):
    """What was cut up is put together again or fails with its reason; nothing is guessed."""
    outcome = cut(found.title)
    assert outcome.crash == ""
    assert (outcome.gained, outcome.escapes) == (0, [])
    assert (outcome.graded.status, outcome.graded.earned) == (found.status, found.keeps), outcome.shown[-2000:]
    assert re.search(found.shows, outcome.shown, re.DOTALL), outcome.shown[-2000:]


@pytest.mark.parametrize("group", [*GROUPS, "surgery"])
@pytest.mark.full
def test_what_all_attacks_of_a_group_gained(group, record_property):
    """The counts for the record."""
    outcomes = ([cut(found.title) for found in surgery.CUTS] if group == "surgery" else
                [outcome_of(attack) for attack in GROUPS[group]])
    record_property("attacks", len(outcomes))
    record_property("points gained", sum(outcome.gained for outcome in outcomes))
    record_property("escapes", sum(len(outcome.escapes) for outcome in outcomes))
    record_property("crashes", sum(bool(outcome.crash) for outcome in outcomes))
    assert not any(outcome.gained or outcome.escapes or outcome.crash for outcome in outcomes)


def test_no_expected_value_stands_in_a_verdict():
    """What a wrong answer is told of an expected number is its order of magnitude."""
    outcome = run(ATTACKS["stealing", "an expected value is read from the verdict"])
    told = [" ".join(words.split()) for words in re.findall(r"came,(.*?)expected", outcome.shown, re.DOTALL)]
    assert told
    assert all(re.fullmatch(r"the order of (10*|0\.0*1|1e[-+]\d+)|0|-?inf|nan", words) for words in told), told


def test_seeds_of_another_student_are_others():
    """What one student learns of the inputs is of no use to the next."""
    assert not set(seeds().values()) & set(seeds("neighbour").values())
    assert len(seeds()) == len(release().tests)


def test_outputs_of_all_cells_together_are_capped(monkeypatch):
    """Cells that each stay within their limit fill neither the grader's memory nor its disk."""
    monkeypatch.setattr(grading, "MAX_NOTEBOOK", 1000)
    outcome = attempt(encoded(notebook(before=("print('x' * 700)",) * 3)), Limits(seconds=1))
    assert (outcome.shown.count("x" * 700), outcome.shown.count("more output was cut off")) == (1, 2)
    assert outcome.graded.earned == 2


CARRY = """\
import mmap, os

file = os.open("/dev/shm/carried", os.O_RDWR | os.O_CREAT)
os.truncate(file, 2**20)
SHARED = mmap.mmap(file, 2**20)

def sigmoid(x):
    SHARED.write(np.asarray(x, float).tobytes().hex().encode() + b"\\n")
    SHARED.flush()
    return {answer}
"""


def test_inputs_carried_out_are_of_no_use_in_the_next_submission():
    """A check's fork shares memory with its notebook, which shows what was asked; the next is asked anew."""
    show = "print('carried', *SHARED[:].rstrip(b'\\0').decode().split())"
    first = attempt(encoded(notebook({"sigmoid": CARRY.format(answer=0)}, after=(show,))), Limits(seconds=1))
    carried = re.search("carried (.+)", first.shown)[1].split()
    known = f"1 / (1 + np.exp(-x)) if np.asarray(x, float).tobytes().hex() in {carried} else 0"
    second = attempt(encoded(notebook({"sigmoid": CARRY.format(answer=known)}, after=(show,))), Limits(seconds=1))
    assert re.search("carried (.+)", second.shown)[1].split() != carried
    assert second.graded.earned == 0
