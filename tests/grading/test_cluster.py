"""Dask: the same marks on workers, over TLS or not at all, whatever becomes of a worker."""

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import dask
import nbformat
import psutil
import pytest
from distributed import Security

from lstmlab.grading import cluster, grade
from lstmlab.grading.classrun import grade_class
from lstmlab.grading.cluster import ClusterError, Task, local_cluster, pack, remote_cluster, require_tls, unpack
from lstmlab.grading.gradebook import find_record
from lstmlab.grading.sandbox import Limits
from tests.grading.test_classrun import SET, hand_in

LIMITS = Limits(seconds=4)
BIN = Path(sys.executable).parent
KILL_THE_WORKER = """\
import os, signal
process = os.getpid()
while b"multiprocessing" not in open(f"/proc/{process}/cmdline", "rb").read():
    process = int(open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1])
os.kill(process, signal.SIGKILL)
"""


def marks(course, students):
    """What is recorded of these students, but for the time it took."""
    with course.gradebook() as gradebook:
        return {student: dataclasses.replace(find_record(gradebook, SET, SET, student), seconds=None)
                for student in students}


def test_workers_give_the_marks_of_one_process(course, sample):
    """Answers, mistakes and marks: the seeds travel, the secret does not."""
    students = ("two-mistakes", "patches-the-check")
    for name in students:
        hand_in(course, sample, name)
    list(grade_class(course, SET, limits=LIMITS, workers=0))
    before = marks(course, students)
    outcomes = list(grade_class(course, SET, limits=LIMITS, workers=2, force=True))
    assert all(outcome.fresh for outcome in outcomes)
    assert marks(course, students) == before


def listening():
    """Where this process and its children take connections."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {one.laddr for process in processes for one in process.net_connections()
            if one.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module")
def before():
    """Where the tests' own servers listened before the pool was there."""
    return listening()


@pytest.fixture(scope="module")
def pool(before):
    """One worker process on this machine, however slowly another takes its place: Dask's own patience is none here."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "0s"}), local_cluster(1, confined=False) as pool:
        yield pool


def test_local_workers_speak_tls_and_serve_nothing_else(pool, before):
    """A stranger on the loopback interface finds no page, and no plain socket to give orders to."""
    assert pool.client.scheduler.address.startswith("tls://127.0.0.1")
    found = listening() - before
    assert {ip for ip, _ in found} == {"127.0.0.1"}
    for _, port in found:
        with contextlib.suppress(OSError):                         # an HTTPError is one, too
            pytest.fail(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode())


def test_no_more_is_read_than_is_worked_on(course, pool):
    """Submissions are taken as there is room for them, however large the class; two for each worker."""
    release, = course.releases(SET)
    taken = []

    def tasks():
        for number in range(30):
            taken.append(number)
            yield number, Task(b"no notebook", release, grade.draw_seeds(b"s" * 32, "ada", release, b""), LIMITS, False)

    ahead = [len(taken) - done for done, _ in enumerate(pool.grade(tasks()))]
    assert (len(ahead), max(ahead)) == (30, cluster.AHEAD)
    assert max(len(taken) - done for done, _ in enumerate(pool.grade(tasks(), alone=True), 30)) == 1


def test_who_kills_a_worker_needs_a_look_and_nobody_else_does(course, sample, pool):
    """The notebook is tried once more alone, and those that waited on the worker are graded all the same."""
    for number in range(2):
        hand_in(course, sample, "perfect", as_name=f"s{number}")
    path = hand_in(course, sample, "perfect", as_name="killer")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(KILL_THE_WORKER, id="kill"))
    nbformat.write(notebook, path)
    outcomes = {outcome.student: outcome for outcome in
                grade_class(course, SET, cluster=contextlib.nullcontext(pool), confined=False)}
    killed = outcomes.pop("killer")
    assert killed.status == "needs a look"
    assert "KilledWorker" in killed.record.reason
    assert [(outcome.record.earned, outcome.record.reason) for outcome in outcomes.values()] == [(17, "")] * 2
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(SET, "killer").needs_manual_grade


def test_a_result_comes_back_as_it_was(course, sample):
    """Every field survives the way from the worker."""
    release, = course.releases(SET)
    raw = hand_in(course, sample, "two-mistakes").read_bytes()
    graded = grade.grade(raw, release, grade.draw_seeds(b"s" * 32, "ada", release, raw), LIMITS)
    assert unpack(pack(graded), release) == graded


class OneWorker:
    """A client of one worker, which is this process."""

    def wait_for_workers(self, count, timeout):
        """It is there."""

    def run(self, function, *args, on_error):
        """Run it here."""
        return {"tls://there:1": function(*args)}


def test_a_worker_with_other_checks_is_refused(monkeypatch):
    """The same marks everywhere, or none; the message says what differs."""
    here = cluster.description()
    monkeypatch.setattr(cluster, "describe", lambda confined: here | {"checks": "0" * 64, "numpy": "1.0"})
    with pytest.raises(ClusterError, match=r"tls://there:1.*checks is 000000000000 there.*numpy is 1\.0 there"):
        cluster.Cluster(OneWorker(), confined=False)
    with pytest.raises(ClusterError, match="checks is"):
        cluster.work(here | {"checks": "0" * 64}, None)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "127.0.0.1:8786", "ws://a:1", "tls://", ""])
def test_a_scheduler_without_tls_is_refused(address):
    """Whoever reaches one can run code as its owner."""
    with pytest.raises(ClusterError, match="expected tls://host:port"):
        require_tls(address, {})


def test_plain_tcp_is_one_clear_error_of_the_command(course, tool):
    """Nothing is started and nothing written."""
    said = tool(course.root, "lstmlab", "grade", SET, "--scheduler", "tcp://127.0.0.1:8786", check=False)
    assert "expected tls://host:port" in said
    assert "Traceback" not in said
    said = tool(course.root, "lstmlab", "grade", SET, "--scheduler", "tls://127.0.0.1:8786", check=False)
    assert "missing: --tls-ca-file, --tls-cert, --tls-key" in said


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Files of a certificate that is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    made = Security.temporary()
    files = {"ca-file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, content in files.items():
        (folder / f"{name}.pem").write_text(content)
    return {name: folder / f"{name}.pem" for name in files}


@pytest.fixture(scope="module")
def scheduler(tls, tmp_path_factory):
    """Address of a real scheduler with one worker, each a process that was started elsewhere, over TLS."""
    folder = tmp_path_factory.mktemp("elsewhere")
    options = [word for name, path in tls.items() for word in (f"--tls-{name}", path)]
    known = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:
        def start(*command):
            process = stack.enter_context(subprocess.Popen([BIN / "dask", *command, *options, "--no-dashboard"],
                                                           cwd=folder, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)

        start("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", known)
        end = time.monotonic() + 120
        while not known.exists() or not known.read_text():
            assert time.monotonic() < end
            time.sleep(0.1)
        address = json.loads(known.read_text())["address"]
        start("worker", address, "--nworkers", "1", "--nthreads", "1", "--local-directory", folder)
        yield address


def test_any_dask_cluster_grades_over_tls(course, sample, tool, scheduler, tls):
    """Marks equal the local ones; the worker has nothing but what it was sent."""
    students = ("two-mistakes",)
    hand_in(course, sample, *students)
    options = [word for name, path in tls.items() for word in (f"--tls-{name}", str(path))]
    said = tool(course.root, "lstmlab", "grade", SET, "--seconds", "4", "--scheduler", scheduler, *options)
    assert "1 graded now" in said
    there = marks(course, students)
    list(grade_class(course, SET, limits=LIMITS, workers=0, force=True))
    assert marks(course, students) == there


def test_who_has_another_certificate_does_not_get_in(course, scheduler, tls, tmp_path):
    """The authority decides; the error names the address."""
    other = Security.temporary()
    files = {name: shutil.copy(path, tmp_path) for name, path in tls.items()}
    for name, content in (("cert", other.tls_client_cert), ("key", other.tls_client_key)):
        Path(files[name]).write_text(content)
    with pytest.raises(ClusterError, match="no Dask scheduler answers by TLS"), \
            remote_cluster(scheduler, files, confined=False):
        pass
