"""How fast a class is graded, beside nbgrader and Otter-Grader on the same class and machine.

    python benchmarks/grading.py                                   # ps3 and ps8, a class of 100
    python benchmarks/grading.py --section peers --sets ps3-lstm-forward --size 20
    python benchmarks/grading.py --graders otter --otter VENV/bin/otter     # Otter-Grader, in an environment of its own
    python benchmarks/grading.py --section growth                  # time and memory as the class grows

The class is made from the solution: of its functions every student has most as they are, some left unwritten, and some
with a sign turned round. All graders get the same files. A rate is submissions per minute by the clock, from the start
of the command to its end. nbgrader grades one after the other; it is run in one process and in as many as there are
processors, each with its share of the class and a gradebook of its own, and its better rate is the one to compare.
nbgrader is as it comes: stock settings, no sandbox. The row `floor` is what no grader can undercut: the notebooks' own
cells, run in processes that have imported everything, without checks. A set can be run without its pictures too
(``--plain``), since drawing them is most of that. `growth` grades classes of several sizes, and then ten thousand
submissions through Dask whose grading is replaced by waiting for a share of a recorded time; the memory is that
of the process that grades the class, read when it ends.

Results go to ``results/grading.json``; each row says how loaded the machine was, and the size of the class.
"""

import argparse
import contextlib
import datetime
import functools
import importlib
import io
import json
import os
import pathlib
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import matplotlib
import nbformat
from matplotlib import pyplot

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "grading.json"
SETS = ("ps3-lstm-forward", "ps8-torch")
MARKED = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION\n?", re.MULTILINE | re.DOTALL)
BIN = pathlib.Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
                            "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
STOCK = """\
c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "class/submitted"
c.CourseDirectory.autograded_directory = "class/autograded"
c.CourseDirectory.db_url = "sqlite:///class/gradebook.db"
"""


# -- the class -------------------------------------------------------------------------------------------


def notebooks(problem_set, size, plain=False):
    """The submissions of a class: the text of each student's notebook, if `plain` without the pictures."""
    source = nbformat.read(ROOT / "solutions" / problem_set / f"{problem_set}.ipynb", as_version=4)
    source.cells = [cell for cell in source.cells if "nbgrader" in cell.metadata or not plain]
    for number in range(size):
        draw = random.Random(number)
        notebook = nbformat.from_dict(json.loads(json.dumps(source)))
        for cell in notebook.cells:
            cell.source = MARKED.sub(functools.partial(answer, draw=draw), cell.source).rstrip("\n")
        yield f"student-{number:05d}", nbformat.writes(notebook)


def answer(match, draw):
    """What a student wrote in place of one solution."""
    indent, solution = match.groups()
    what = draw.random()
    if what < 0.1:
        return f"{indent}raise NotImplementedError()\n"
    return solution.replace(" + ", " - ", 1) if what < 0.25 else solution


def course(folder, problem_set, students, config):
    """A course with this set released and these submissions."""
    (folder / "class").mkdir(mode=0o700, parents=True)
    (folder / "nbgrader_config.py").write_text(config)
    for name in ("pyproject.toml", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "solutions" / problem_set, folder / "solutions" / problem_set)
    do(folder, "nbgrader", "generate_assignment", problem_set)
    for student, text in students:
        where = folder / "class" / "submitted" / student / problem_set
        where.mkdir(parents=True)
        (where / f"{problem_set}.ipynb").write_text(text)
    return folder


def do(folder, *command):
    """Run a command in a folder."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def at_once(folders, command):
    """Seconds by the clock that a command takes, run in several folders at once; what it says is let pass."""
    begun = time.perf_counter()
    running = [subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) for folder in folders]
    for process in running:
        process.wait()
    return time.perf_counter() - begun


# -- beside others ---------------------------------------------------------------------------------------


def peers_section(arguments):
    """Submissions per minute of the three graders on one class."""
    for problem_set in arguments.sets:
        students = list(notebooks(problem_set, arguments.size, arguments.plain))
        for grader, processes, seconds in runs(arguments, problem_set, students):
            yield {"section": "peers", "set": problem_set, "plain": arguments.plain, "grader": grader,
                   "processes": processes, "size": len(students), "seconds": seconds,
                   "per_minute": 60 * len(students) / seconds}


def runs(arguments, problem_set, students):
    """One grader after the other: name, processes, seconds."""
    graders = {"lstmlab": ours, "nbgrader": functools.partial(nbgraders, arguments.processes), "floor": floor,
               "otter": functools.partial(otters, arguments.otter)}
    for name in arguments.graders:
        yield from graders[name](problem_set, students)


def ours(problem_set, students):
    """`lstmlab grade` as it comes; and every submission has a mark afterwards."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        where = course(pathlib.Path(folder, "course"), problem_set, students, (ROOT / "nbgrader_config.py").read_text())
        seconds = at_once([where], [BIN / "lstmlab", "grade", problem_set])
        done = len(list((where / "class" / "autograded").glob(f"*/{problem_set}/*.ipynb")))
        if done != len(students):
            raise SystemExit(f"lstmlab graded {done} of {len(students)}")
    yield "lstmlab", os.cpu_count(), seconds


def nbgraders(counts, problem_set, students):
    """`nbgrader autograde`, in each of these numbers of processes at once."""
    for processes in counts:
        yield "nbgrader", processes, nbgrader(problem_set, students, processes)


def nbgrader(problem_set, students, processes):
    """Seconds that so many processes take."""
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        shares = [course(pathlib.Path(folder, f"course-{k}"), problem_set, students[k::processes], STOCK)
                  for k in range(processes)]
        seconds = at_once(shares, [BIN / "nbgrader", "autograde", problem_set])
        done = sum(len(list((share / "class" / "autograded").glob("*"))) for share in shares)
        if done != len(students):
            raise SystemExit(f"nbgrader graded {done} of {len(students)}")
    return seconds


def floor(problem_set, students):
    """The cells alone, without a grader: forks of a process that has imported everything, one for each processor."""
    matplotlib.use("Agg")
    importlib.import_module("torch")
    with contextlib.redirect_stdout(io.StringIO()):
        run_cells(students[0])                                     # what is built on first use
    begun, running = time.perf_counter(), 0
    for student in students:
        if running == os.cpu_count():
            os.wait()
            running -= 1
        if os.fork() == 0:
            with contextlib.redirect_stdout(io.StringIO()):
                run_cells(student)
            os._exit(0)
        running += 1
    for _ in range(running):
        os.wait()
    yield "floor", os.cpu_count(), time.perf_counter() - begun


def run_cells(student):
    """Run a notebook's cells but for its checks, and draw what it would show."""
    space = {"__name__": "__main__"}
    for cell in nbformat.reads(student[1], as_version=4).cells:
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade"):
            with contextlib.suppress(Exception):                   # an unwritten function, as in any class
                exec(cell.source, space)
            for number in pyplot.get_fignums():
                pyplot.figure(number).savefig(io.BytesIO(), bbox_inches="tight")
            pyplot.close("all")


def otters(otter, problem_set, students):
    """`otter run`, which needs no Docker, one notebook a process; `otter grade` does and is not compared."""
    from lstmlab import checks

    processes = os.cpu_count()
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        folder = pathlib.Path(folder)
        (folder / "tests").mkdir()
        for check in checks.problem_set(problem_set):
            code = (">>> import contextlib, io\n>>> from lstmlab import check\n"
                    ">>> with contextlib.redirect_stdout(io.StringIO()):\n"
                    f"...     check('{check.name}', {check.name})\n")
            test = {"name": check.name, "points": check.points,
                    "suites": [{"cases": [{"code": code}], "scored": True, "type": "doctest"}]}
            (folder / "tests" / f"{check.name}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n")
        do(folder, otter, "generate", "-t", "tests", "-o", "autograder.zip", "--no-requirements", "--no-environment")
        for student, text in students:
            (folder / student).mkdir()
            (folder / student / f"{student}.ipynb").write_text(text)
        script = (f"for s in student-*; do echo $s; done | xargs -P {processes} -I@ sh -c "
                  f"'{otter} run -a autograder.zip -o @ @/@.ipynb'")
        seconds = at_once([folder], ["sh", "-c", script])
        done = len(list(folder.glob("student-*/results.json")))
        if done != len(students):
            raise SystemExit(f"Otter graded {done} of {len(students)}")
    yield "otter run", processes, seconds


# -- as the class grows ----------------------------------------------------------------------------------


def growth_section(arguments):
    """Time and the grading process's memory for classes of several sizes, and for ten thousand simulated ones."""
    problem_set = arguments.sets[0]
    for size in arguments.growth:
        yield {"section": "growth", "set": problem_set, "simulated": False, "size": size,
               **in_process_of_its_own("graded", problem_set, size)}
    for size in arguments.simulated:
        yield {"section": "growth", "set": problem_set, "simulated": True, "size": size,
               **in_process_of_its_own("simulated", problem_set, size)}


def in_process_of_its_own(what, problem_set, size):
    """Run one measurement where no other one's memory is counted."""
    return json.loads(do(ROOT, sys.executable, __file__, "--measure", what, problem_set, str(size)).splitlines()[-1])


def measure(what, problem_set, size):
    """Grade a class in this process; print seconds, and the memory it held when a tenth was done and at the most."""
    from lstmlab.grading import classrun, cluster
    from lstmlab.grading.course import open_course

    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        where = course(pathlib.Path(folder, "course"), problem_set, notebooks(problem_set, size),
                       (ROOT / "nbgrader_config.py").read_text())
        pool = None
        if what == "simulated":
            recorded = record(problem_set)
            pool = Simulated(recorded)
        begun, early = time.perf_counter(), 0
        for done, _ in enumerate(classrun.grade_class(open_course(where), problem_set, workers=os.cpu_count(),
                                                      cluster=pool), 1):
            if done == max(1, size // 10):
                early = peak()
        seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "per_minute": 60 * size / seconds, "mib_at_a_tenth": early / 1024,
                      "mib_at_most": peak() / 1024, "digest": cluster.description()["checks"][:12]}))


def peak():
    """The most memory this process has held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def record(problem_set):
    """A result to hand out, with the time that it took."""
    from lstmlab.grading import cluster, grade
    from lstmlab.grading.release import read_release
    from lstmlab.grading.sandbox import Limits

    (_, text), = notebooks(problem_set, 1)
    release = read_release(ROOT / "exercises" / problem_set / f"{problem_set}.ipynb")
    seeds = grade.draw_seeds(b"0" * 32, "nobody", release, text.encode())
    graded = cluster.Task(text.encode(), release, seeds, Limits(), True).grade()
    return cluster.pack(graded), graded.seconds


class Simulated:
    """A Dask cluster whose workers wait a hundredth of a recorded time and send a recorded result."""

    SHARE = 0.01

    def __init__(self, recorded):
        self.packed, self.seconds = recorded

    def __enter__(self):
        from lstmlab.grading import cluster

        self._context = cluster.local_cluster(os.cpu_count(), True)
        pool = self._context.__enter__()
        packed, wait = self.packed, self.SHARE * self.seconds

        def submit(task):
            return pool.client.submit(pretend, task.raw, packed, wait, pure=False)

        pool._submit = submit
        return pool

    def __exit__(self, *exc):
        return self._context.__exit__(*exc)


def pretend(raw, packed, wait):
    """What a worker does in place of grading."""
    time.sleep(wait)
    return packed


# -- the command -----------------------------------------------------------------------------------------


def scratch():
    """Where courses are laid out: on a disk, not in memory."""
    return os.environ.get("TMPDIR", "/var/tmp")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", choices=("peers", "growth"), action="append")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--graders", nargs="+", choices=("lstmlab", "nbgrader", "floor", "otter"),
                        default=["lstmlab", "nbgrader", "floor"])
    parser.add_argument("--processes", type=int, nargs="+", default=sorted({1, os.cpu_count()}), help="of nbgrader")
    parser.add_argument("--plain", action="store_true", help="without the notebooks' pictures")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--growth", type=int, nargs="*", default=[100, 300, 1000])
    parser.add_argument("--simulated", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--otter", help="the otter command, in an environment with this course, for the grader otter")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], arguments.measure[1], int(arguments.measure[2]))
        return
    sections = {"peers": peers_section, "growth": growth_section}
    kept = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    for name in arguments.section or sections:
        for row in sections[name](arguments):
            row |= {"date": datetime.date.today().isoformat(), "load": os.getloadavg()[0], "cores": os.cpu_count()}
            print(json.dumps(row), flush=True)
            same = ("section", "set", "plain", "grader", "processes", "simulated", "size")
            kept = [old for old in kept if any(old.get(key) != row.get(key) for key in same)] + [row]
            RESULTS.write_text(json.dumps({"python": platform.python_version(), "machine": platform.processor()
                                           or platform.machine(), "rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
