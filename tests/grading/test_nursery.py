"""Nurseries: one fork a sandbox, of which nothing is left; started from anywhere, gone with the grader."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstmlab.grading import isolation, nursery, runtime, slots, syscalls
from lstmlab.grading.sandbox import Limits, Sandbox, SandboxDied, SandboxTimeout, SandboxUnavailable

LIMITS = Limits(seconds=2)
ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only a root grader has privileges to drop")


def text(reply):
    """All that a cell showed, as text."""
    return "".join(output.get("text", "") + output.get("evalue", "") + output.get("data", {}).get("text/plain", "")
                   for output in reply["outputs"])


def processes(*ancestors):
    """Parent by pid of all processes on the machine that stem from these."""
    rows = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, row.split()) for row in rows.splitlines())
    found, fresh = {}, set(ancestors)
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh}
        found |= {pid: parents[pid] for pid in fresh}
    return found


def gone(pids, seconds=10):
    """Whether none of these processes is left after a while."""
    deadline = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def grader(code, **options):
    """A grader of its own that runs `code`, which prints when it is ready."""
    code = f"from lstmlab.grading.sandbox import Limits, Sandbox\n{code}"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT,
                            env=os.environ | {"PYTHONPATH": str(ROOT)}, **options)


# -- one nursery, many notebooks -----------------------------------------------------------------------


def test_imports_are_paid_once():
    """The second sandbox has the first one's nursery, and what it imports is there."""
    with Sandbox(LIMITS, seed=1) as first:
        used = first._home._nursery
    with Sandbox(LIMITS, seed=1) as second:
        assert second._home._nursery is used
        assert text(second.run_cell("import sys; 'matplotlib.backends.backend_agg' in sys.modules")) == "True"


def test_a_sandbox_starts_in_milliseconds(record_property):
    """At most 30 ms on a quiet machine; on one as busy as tests make it, the fastest of twenty."""
    def start(libraries):
        limits, taken = Limits(libraries=libraries), []
        for _ in range(21):
            begun = time.perf_counter()
            with Sandbox(limits, seed=1):
                taken.append(time.perf_counter() - begun)
        return min(taken[1:])

    plain, torch = start(()), start(("torch",))
    record_property("start of a sandbox, ms", {"numpy": round(1000 * plain, 1), "torch": round(1000 * torch, 1)})
    assert plain < 0.05
    assert torch < 0.1


def test_two_sandboxes_at_a_time_have_two_nurseries():
    """A nursery holds one notebook; as root each has its own user."""
    with Sandbox(LIMITS, seed=1) as one, Sandbox(LIMITS, seed=1) as other:
        homes = {one._home._nursery, other._home._nursery}
        assert len(homes) == 2
        if os.geteuid() == 0:
            assert len({home.user for home in homes}) == 2


def test_nothing_is_left_of_a_notebook(monkeypatch, tmp_path):
    """Processes, mounts, files outside and inside: after each sandbox all is as before."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nursery.close_all()
    with Sandbox(LIMITS, seed=1) as first:
        home = first._home._nursery
    mounts = Path("/proc/self/mountinfo").read_text()
    before, descriptors = processes(home.process.pid), len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        with Sandbox(LIMITS, seed=1) as sandbox:
            seen = text(sandbox.run_cell("import os\nprint(os.listdir('/tmp'), os.listdir('/dev/shm'))\n"
                                         "for f in ('/tmp', '/dev/shm'): open(f + '/letter', 'w').write('x')\n"
                                         "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n"
                                         "        import time; time.sleep(600)"))
            assert "letter" not in seen
            inside = processes(home.process.pid).keys() - before.keys()
            assert len(inside) == 6
        assert not any(os.path.exists(f"/proc/{pid}") for pid in inside)
    assert processes(home.process.pid).keys() == before.keys()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/letter").exists()
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.full
def test_two_hundred_sandboxes_leave_nothing(record_property):
    """Neither a process nor memory: the nursery is as large as before."""
    with Sandbox(LIMITS, seed=1) as first:
        home = first._home._nursery
    inner = max(processes(home.process.pid))

    def resident():
        rows = dict(line.split(":", 1) for line in Path(f"/proc/{inner}/smaps_rollup").read_text().splitlines()[1:])
        return int(rows["Rss"].split()[0])

    before, size = processes(home.process.pid).keys(), resident()
    for _ in range(200):
        with Sandbox(LIMITS, seed=1) as sandbox:
            sandbox.run_cell("1 + 1")
    assert processes(home.process.pid).keys() == before
    record_property("nursery in KiB before and after 200 sandboxes", [size, resident()])
    assert resident() < size + 4096


def test_a_lost_nursery_is_replaced():
    """Where the machine took the nursery away between two notebooks, the next one gets another."""
    with Sandbox(LIMITS, seed=1) as first:
        lost = first._home._nursery
    inside = processes(lost.process.pid)
    os.killpg(lost.process.pid, signal.SIGKILL)
    assert gone(inside)
    with Sandbox(LIMITS, seed=1) as second:
        assert second._home._nursery is not lost
        assert text(second.run_cell("1 + 1")) == "2"


def test_a_nursery_lost_under_a_notebook_is_reported():
    """The notebook's process dies with it, and that is said."""
    with Sandbox(LIMITS, seed=1) as sandbox:
        home = sandbox._home._nursery
        inside = processes(home.process.pid)
        os.killpg(home.process.pid, signal.SIGKILL)
        assert gone(inside)
        with pytest.raises(SandboxDied):
            sandbox.run_cell("1 + 1")


# -- gone with the grader ------------------------------------------------------------------------------

HOLD = ("import time\nwith Sandbox(Limits(), 1) as s:\n    s.run_cell('import os, signal\\n"
        "for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\\nfor _ in range(4):\\n    if os.fork() == 0:\\n"
        "        os.setsid()\\n        while True: pass')\n    print('ready', flush=True)\n    time.sleep(600)")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_all_of_it_ends_with_the_grader(how):
    """Whatever ends the grader ends its nursery, a spinning notebook and all that it started."""
    with grader(HOLD, stderr=subprocess.DEVNULL) as running:
        assert running.stdout.readline() == "ready\n"
        inside = processes(running.pid)
        assert len(inside) >= 8
        running.send_signal(how)
    assert gone(inside)


def test_the_thread_that_starts_a_nursery_may_end():
    """bubblewrap dies with the thread that launched it: here one that stays does it."""
    nursery.close_all()
    with ThreadPoolExecutor(1) as passing:
        sandbox = passing.submit(Sandbox, LIMITS, 1).result()
    with sandbox:
        assert text(sandbox.run_cell("1 + 1")) == "2"


def test_threads_grade_side_by_side():
    """Sandboxes of several threads at once answer each its own orders."""
    def work(number):
        with Sandbox(LIMITS, seed=number) as sandbox:
            return [text(sandbox.run_cell(f"{number} * {n}")) for n in range(5)]

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(6)))
    assert found == [[str(number * n) for n in range(5)] for number in range(6)]


def test_a_fork_of_the_grader_starts_its_own():
    """A process forked from a grader does not speak to its parent's nursery."""
    with Sandbox(LIMITS, seed=1) as first:
        used = first._home._nursery.process.pid
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            with Sandbox(LIMITS, seed=1) as own:
                right = own._home._nursery.process.pid != used and text(own.run_cell("1 + 1")) == "2"
            nursery.close_all()
            os._exit(0 if right else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    with Sandbox(LIMITS, seed=1) as again:
        assert again._home._nursery.process.pid == used


# -- users ---------------------------------------------------------------------------------------------


@as_root
def test_two_graders_never_share_a_user():
    """A slot is a lock that other processes see, and that is free again when its sandbox is gone."""
    code = ("with Sandbox(Limits(), 1) as s:\n    print(s._home._nursery.user, flush=True)\n    input()")
    with (grader(code, stdin=subprocess.PIPE) as one, grader(code, stdin=subprocess.PIPE) as other,
          Sandbox(LIMITS, seed=1) as third):
        users = [int(one.stdout.readline()), int(other.stdout.readline()), third._home._nursery.user]
        assert len(set(users)) == 3
        one.kill()
        one.wait()
        taken, lock = None, None
        deadline = time.monotonic() + 10
        while taken != users[0] and time.monotonic() < deadline:   # the first free one, when it is free
            if lock is not None:
                os.close(lock)
            taken, lock = slots.take_slot()
            if taken > users[0]:
                time.sleep(0.05)
        os.close(lock)
        assert taken <= users[0]
        other.stdin.close()


@as_root
def test_a_folder_of_locks_that_others_can_enter_is_refused(monkeypatch, tmp_path):
    """Somebody else's locks are no locks."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(slots, "FOLDER", tmp_path)
    with pytest.raises(SandboxUnavailable, match="only root can enter"):
        slots.take_slot()


@as_root
def test_too_many_sandboxes_are_refused(monkeypatch, tmp_path):
    """When the slots are used up, that is said."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(slots, "FOLDER", tmp_path)
    monkeypatch.setattr(slots, "SLOTS", 2)
    held = [slots.take_slot()[1] for _ in range(2)]
    with pytest.raises(SandboxUnavailable, match="all 2 sandboxes"):
        slots.take_slot()
    for lock in held:
        os.close(lock)


@as_root
def test_a_grader_that_is_not_root_has_the_same_sandbox():
    """An ordinary user, with the interpreter where it lies: every promise holds for them too."""
    base = Path(sys.base_prefix)
    home = []                                                      # root's own, with the way to the interpreter open
    for parent in list(base.parents)[::-1] if base.is_relative_to("/root") else ():
        home += ["--tmpfs", "/root", "--chmod", "0755", "/root"] if parent == Path("/root") else \
                ["--perms", "0755", "--dir", str(parent)] if parent.is_relative_to("/root") else []
    home += ["--ro-bind", str(base), str(base)] if home else []
    code = "from lstmlab.grading.sandbox import require_sandbox; import os; require_sandbox(); print(os.getuid())"
    done = subprocess.run(["bwrap", "--dev-bind", "/", "/", *home, "--", "setpriv", "--reuid", "12345", "--regid",
                           "12345", "--clear-groups", sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": "/tmp"})
    assert (done.stdout, done.returncode) == ("12345\n", 0), done.stderr


# -- refusing ------------------------------------------------------------------------------------------


def test_a_nursery_that_does_not_start_says_why(monkeypatch):
    """What bubblewrap or the interpreter said is in the message, with what to do."""
    whole = runtime.confinement

    def without_capability(libraries, user):
        return [word for word in whole(libraries, user) if word not in ("--cap-add", "CAP_SYS_ADMIN")]

    monkeypatch.setattr(runtime, "confinement", without_capability)
    nursery.close_all()
    with pytest.raises(SandboxUnavailable, match=r"Operation not permitted(?s:.)*apt-get install bubblewrap"):
        Sandbox(LIMITS, seed=1)
    monkeypatch.setattr(runtime, "confinement", lambda libraries, user: [sys.executable, "-c", "0/0"])
    with pytest.raises(SandboxUnavailable, match="ZeroDivisionError"):
        Sandbox(LIMITS, seed=1)


def test_a_nursery_with_threads_is_refused(monkeypatch):
    """A fork of a process in which a library has started threads would hang."""
    whole, thread = runtime.confinement, "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start(); "
    monkeypatch.setattr(runtime, "confinement", lambda libraries, user: [
        thread + word if "nursery.main" in word else word for word in whole(libraries, user)])
    nursery.close_all()
    with pytest.raises(SandboxUnavailable, match="started 1 threads when they were imported"):
        Sandbox(LIMITS, seed=1)


@pytest.mark.parametrize(("folder", "bound"), [("conda-meta", True), ("elsewhere", False)])
def test_conda_brings_the_libraries_beside_its_interpreter(monkeypatch, tmp_path, folder, bound):
    """What its Python is linked with lies in its own lib; another interpreter's is the system's."""
    for name in (folder, "lib"):
        (tmp_path / name).mkdir()
    for name in ("libssl.so.3", "libpython3.11.so"):
        (tmp_path / "lib" / name).touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    found = runtime.interpreter_paths()
    assert tmp_path / "lib" / "libpython3.11.so" in found
    assert (tmp_path / "lib" / "libssl.so.3" in found) == bound


def test_without_a_filter_grading_refuses(monkeypatch):
    """No pyseccomp, no sandbox."""
    nursery.close_all()
    syscalls.compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SandboxUnavailable, match="no filter of system calls"):
        Sandbox(LIMITS, seed=1)


@pytest.mark.parametrize(("change", "words"), [
    ({"users": ["0"]}, "student code is root"), ({"capabilities": ["0" * 15 + "1"]}, "it has capabilities"),
    ({"no_new_privileges": ["0"]}, "it can gain privileges"), ({"filter": ["0"]}, "not filtered"),
    ({"processes": [1, 2]}, "sees other processes"), ({"interfaces": ["lo", "eth0"]}, "there is a network"),
    ({"loopback_refused": False}, "there is a network"), ({"unshare": 0}, "make namespaces"),
    ({"mount": 0}, "can mount"), ({"files": list(range(9))}, "inherits files"), ({"disks": [2**40]}, "no size"),
    ({"read_only": [False]}, "is writable")])
def test_each_promise_is_looked_at(change, words):
    """A sandbox in which one of them does not hold is told from a whole one."""
    import json

    with Sandbox(LIMITS, seed=1) as sandbox:
        reply = sandbox.run_cell(isolation.LOOK)
    assert isolation.broken(reply, LIMITS.disk) == []
    reply["outputs"][0]["text"] = json.dumps(json.loads(reply["outputs"][0]["text"]) | change)
    assert words in " ".join(isolation.broken(reply, LIMITS.disk))


def test_the_modules_load_where_there_is_no_sandbox():
    """Windows has neither fcntl nor resource, pass_fds nor seccomp; `lstmlab check` loads nonetheless."""
    code = ("import sys; sys.modules.update(dict.fromkeys(['fcntl', 'resource', 'pyseccomp'])); import os; "
            "del os.fork, os.register_at_fork; import lstmlab.grading.local")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


# -- time and memory of all processes together ---------------------------------------------------------


def test_a_cell_that_only_waits_is_given_up():
    """Sleeping uses no CPU; it ends after a time of its own, long before the wall that busy machines need."""
    begun = time.monotonic()
    with Sandbox(Limits(seconds=1), seed=1) as sandbox, pytest.raises(SandboxTimeout):
        sandbox.run_cell("import time; time.sleep(600)")
    assert time.monotonic() - begun < 12


def test_a_cell_that_ignores_its_end_is_ended():
    """A loop that lets no signal stop it is killed by what all its processes used."""
    with Sandbox(Limits(seconds=1), seed=1) as sandbox, pytest.raises(SandboxTimeout):
        sandbox.run_cell("import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True: pass")


def test_forks_that_spin_are_ended():
    """What a cell forks counts as the cell's, and it dies with it."""
    with Sandbox(Limits(seconds=1), seed=1) as sandbox:
        inside = processes(sandbox._home._nursery.process.pid)
        with pytest.raises(SandboxTimeout):
            sandbox.run_cell("import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        while True: pass\n"
                             "while True: time.sleep(0.1)")
        assert processes(sandbox._home._nursery.process.pid).keys() < inside.keys()


def test_memory_of_all_processes_together_is_limited():
    """Many processes, each within its own limit, cannot fill the machine."""
    with Sandbox(Limits(seconds=5, memory=400 * 2**20), seed=1) as sandbox, \
            pytest.raises(SandboxDied, match="bytes together"):
        sandbox.run_cell("import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
                         "        kept = b'x' * (120 * 2**20)\n        time.sleep(600)\n    time.sleep(0.1)\n"
                         "time.sleep(600)")


def test_a_check_that_only_waits_costs_itself_alone():
    """A function that sleeps is timed out, and the notebook goes on."""
    with Sandbox(Limits(seconds=1), seed=1) as sandbox:
        sandbox.run_cell("import time\ndef wait(x): time.sleep(600)")
        assert sandbox.call("call", "wait", [{"args": {"x": 1.0}}], seed=0) == {"timed_out": True}
        assert text(sandbox.run_cell("'alive'")) == "'alive'"


def test_what_a_check_starts_ends_with_it():
    """A function that forks a spinner leaves nothing that later checks would have to share the machine with."""
    with Sandbox(LIMITS, seed=1) as sandbox:
        sandbox.run_cell("import os\ndef litter(x):\n    if os.fork() == 0:\n        while True: pass\n    return x")
        assert "answers" in sandbox.call("call", "litter", [{"args": {"x": 1.0}}], seed=0)
        assert text(sandbox.run_cell("[p for p in os.listdir('/proc') if p.isdigit()]")) == "['1']"


def test_a_neighbours_load_times_nobody_out():
    """Time is CPU time: a notebook that gets its turn seldom is not late."""
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        with Sandbox(Limits(seconds=2), seed=1) as sandbox:
            sandbox.run_cell("import time\ndef work(x):\n    end = time.process_time() + 1\n"
                             "    while time.process_time() < end: pass\n    return x")
            assert "answers" in sandbox.call("call", "work", [{"args": {"x": 1.0}}], seed=0)
    finally:
        for process in load:
            process.kill()
            process.wait()
