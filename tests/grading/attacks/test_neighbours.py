"""Two students graded at the same time: no letter passes between them, and neither harms the other."""

import re
import threading

import pytest

from lstmlab.grading.sandbox import Limits
from tests import sample_class

from .colluding import LETTERS, receiver, sender
from .harness import code, encoded, graded, notebook, shown, surroundings, survivors
from .resources import BOMB

GREEDY = """\
def spin():
    while True:
        pass
for _ in range(4):
    threading.Thread(target=spin, daemon=True).start()
for place in ("/tmp", "/dev/shm"):
    try:
        with open(f"{place}/fill", "wb") as file:
            while True:
                file.write(bytes(2**20))
    except OSError:
        pass
kept = [bytes(2**20) for _ in range(300)]
"""


def at_once(seconds, **submissions):
    """Grade several submissions at the same time, with that many CPU seconds; what became of each."""
    found = {}

    def work(student, raw):
        try:
            found[student] = graded(raw, student, Limits(seconds=seconds))
        except BaseException as error:
            found[student] = error

    threads = [threading.Thread(target=work, args=item) for item in submissions.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


@pytest.fixture(scope="module")
def correspondence():
    """What the receiver of the letters shows, and the sender."""
    around = surroundings().prelude
    raw = {name: encoded(notebook(before=(around, source))) for name, source in
           (("one", sender(6)), ("other", receiver(4)))}
    return {student: shown(found) for student, found in at_once(10, **raw).items()}


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.title)
def test_no_letter_passes(correspondence, letter):
    """While both run, the receiver looks many times and finds none of what the sender has posted."""
    posted = re.search(r"sender done (\d+)", correspondence["one"])
    looked = re.search(r"receiver done (\d+) (\[.*\])", correspondence["other"])
    assert posted, correspondence
    assert looked, correspondence
    assert int(posted[1]) >= 3
    assert int(looked[1]) >= 3
    assert letter.title not in looked[2]


def test_a_hostile_neighbour_takes_neither_points_nor_answers():
    """Threads that spin, a full disk and a fork bomb next door: the honest student has all points."""
    perfect = next(student for student in sample_class.CLASS if student.name == "perfect")
    honest = sample_class.notebook(perfect)
    honest.cells = [cell for cell in honest.cells if "nbgrader" in cell.metadata]
    hostile = notebook(before=(surroundings().prelude, BOMB, GREEDY))
    found = at_once(3, honest=encoded(honest), hostile=encoded(hostile))
    assert (found["honest"].status, found["honest"].earned) == ("graded", 17)
    assert found["hostile"].earned <= 2
    assert survivors() == []


def test_what_a_student_leaves_in_memory_is_not_found_by_the_next():
    """The one graded before kept a mark in memory, on disk and on its open files; the next one searches them all."""
    left = code("kept = [('left' + 'behind') * 1000 for _ in range(100)]\n"
                "open('/tmp/left', 'w').write(kept[0]), open('/dev/shm/left', 'w').write(kept[0])\n"
                "import fcntl, os\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)")
    search = code("""\
import fcntl, os
needle, found = bytes(reversed(b'dnihebtfel')) * 2, 0
for line in open('/proc/self/maps').read().splitlines():
    begin, end = (int(part, 16) for part in line.split()[0].split('-'))
    if ' rw' in line and end - begin < 2**28:
        try:
            found += needle in os.pread(os.open('/proc/self/mem', os.O_RDONLY), end - begin, begin)
        except (OSError, OverflowError):
            pass
print('searched', found, os.path.exists('/tmp/left'), os.path.exists('/dev/shm/left'),
      fcntl.fcntl(1, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND))""")
    first = notebook()
    first["cells"].insert(0, left)
    second = notebook()
    second["cells"].insert(0, search)
    assert graded(encoded(first), "before").earned == 2
    own = shown(graded(encoded(second), "after"))
    assert re.search(r"searched [01] False False 0\n", own), own[:2000]
