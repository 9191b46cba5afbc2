"""What a student's code can reach and use up: nothing of the grader's, and little of the machine's."""

import errno
import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lstmlab.grading import sandbox as sandboxes
from lstmlab.grading import slots
from lstmlab.grading.outputs import clean_outputs
from lstmlab.grading.runtime import PACKAGE
from lstmlab.grading.sandbox import Limits, Sandbox, SandboxDied, SandboxUnavailable

LIMITS = Limits(seconds=2)
LIBC = "import ctypes; c = ctypes.CDLL(None, use_errno=True)"
NO_SUCH_CALL = f"(-1, {errno.ENOSYS})"
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are this architecture's")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS, seed=1) as running:
        yield running


def shown(reply):
    """All text that a cell showed."""
    parts = []
    for output in reply["outputs"]:
        parts += [output.get("text", ""), output.get("evalue", ""), output.get("data", {}).get("text/plain", "")]
    return "".join(parts)


def descendants(sandbox):
    """Uids by pid of the processes outside that stem from the sandbox's, leaves last."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,uid="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found, fresh = {}, {sandbox._home._nursery.process.pid}
    while fresh:
        fresh = {pid: uid for pid, parent, uid in rows if parent in fresh}
        found |= fresh
    return found


def nursery_of(sandbox):
    """Its process, the parent of the notebook's."""
    return list(descendants(sandbox))[-2]


def value(sandbox, expression):
    """The value of an expression, evaluated inside."""
    return shown(sandbox.run_cell(expression))


@pytest.mark.parametrize(("source", "expected"), [
    ("1 + 1", "2"),
    ("print('out')", "out"),
    ("import sys; print('err', file=sys.stderr)", "err"),
    ("!echo shell", "shell"),
    ("%pwd", "/tmp/home"),
    ("import asyncio\nawait asyncio.sleep(0)\n'awaited'", "awaited"),
    ("display({'a': 1})", "{'a': 1}"),
    ("1 / 0", "division by zero"),
])
def test_a_cell_runs_as_in_a_notebook(sandbox, source, expected):
    """Values, prints, magics, shell lines, await, display and errors all show."""
    assert expected in value(sandbox, source)


def test_a_figure_is_shown_as_png(sandbox):
    """Inline matplotlib works without being asked for."""
    reply = sandbox.run_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [output for output in reply["outputs"] if "image/png" in output.get("data", {})]


def test_input_is_refused_with_a_reason(sandbox):
    """input() has nobody to ask."""
    assert "nobody is there to answer" in value(sandbox, "input('name?')")


@pytest.mark.parametrize("path", ["/x", "/dev/x", "/course/x", "/usr/lib/x"])
def test_nothing_but_scratch_is_writable(sandbox, path):
    """The system is read-only."""
    assert "Read-only file system" in value(sandbox, f"open({path!r}, 'w')")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_and_shared_memory_are_small(sandbox, folder):
    """Every writable mount has a size."""
    size = int(value(sandbox, f"import os; s = os.statvfs({folder!r}); s.f_blocks * s.f_frsize"))
    assert size <= LIMITS.disk


def test_there_is_no_network(sandbox):
    """Not even loopback answers: it is the sandbox's own, and down."""
    look = "[line.split(':')[0].strip() for line in open('/proc/self/net/dev') if ':' in line]"
    assert value(sandbox, look) == "['lo']"
    for address in ("127.0.0.1", "::1", "10.0.0.1"):
        words = value(sandbox, f"import socket; socket.create_connection(({address!r}, 22), timeout=1)")
        assert "unreachable" in words or "Cannot assign" in words


@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
def test_sockets_that_no_network_namespace_holds_are_refused(sandbox, family):
    """A virtual machine's socket, for one, would lead to its host."""
    words = value(sandbox, f"import socket; socket.socket(getattr(socket, {family!r}), socket.SOCK_RAW)")
    assert "not implemented" in words


FORBIDDEN = {
    101: "ptrace", 155: "pivot_root", 161: "chroot", 165: "mount", 166: "umount2", 175: "init_module",
    246: "kexec_load", 248: "add_key", 249: "request_key", 250: "keyctl", 240: "mq_open", 29: "shmget", 64: "semget",
    68: "msgget", 272: "unshare", 298: "perf_event_open", 303: "name_to_handle_at", 304: "open_by_handle_at",
    308: "setns", 310: "process_vm_readv", 311: "process_vm_writev", 313: "finit_module", 317: "seccomp",
    319: "memfd_create", 321: "bpf", 323: "userfaultfd", 425: "io_uring_setup", 428: "open_tree", 429: "move_mount",
    430: "fsopen", 432: "fsmount", 433: "fspick", 435: "clone3", 438: "pidfd_getfd", 442: "mount_setattr",
    447: "memfd_secret", 9999: "what may come yet",
}


@on_x86
@pytest.mark.parametrize("number", FORBIDDEN, ids=FORBIDDEN.values())
def test_a_system_call_that_no_notebook_needs_does_not_exist(sandbox, number):
    """It fails with ENOSYS, before the kernel looks at its arguments."""
    assert value(sandbox, f"{LIBC}; (c.syscall({number}, 0, 0, 0, 0, 0), ctypes.get_errno())") == NO_SUCH_CALL


@on_x86
@pytest.mark.parametrize("flag", [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_clone_into_a_namespace(sandbox, flag):
    """clone works, as forks and threads show; with a flag for a namespace it does not."""
    assert value(sandbox, f"{LIBC}; (c.syscall(56, {flag} | 17, 0, 0, 0, 0), ctypes.get_errno())") == NO_SUCH_CALL


@on_x86
def test_the_other_abi_of_the_processor_is_closed():
    """32-bit system calls have other numbers: the first one ends the process."""
    code = ("import ctypes, mmap\nm = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE, 7)\n"
            "m.write(bytes.fromhex('b814000000cd80c3'))\n"
            "ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()")
    with Sandbox(LIMITS, seed=1) as other, pytest.raises(SandboxDied):
        other.run_cell(code)


@pytest.mark.parametrize("kind", ["pid", "mnt", "ipc", "uts", "net", "user", "cgroup"])
def test_each_notebook_has_its_own_namespaces(sandbox, kind):
    """Two notebooks side by side, a nursery and the grader: no two are in the same one."""
    found = [os.readlink(f"/proc/self/ns/{kind}")]
    with Sandbox(LIMITS, seed=1) as other:
        for notebook in (sandbox, other):
            found.append(value(notebook, f"import os; print(os.readlink('/proc/self/ns/{kind}'))").strip())
        found.append(os.readlink(f"/proc/{nursery_of(other)}/ns/{kind}"))
    assert len(set(found)) == 4


def test_abstract_sockets_are_private(sandbox):
    """A name that one notebook listens on is not there for another."""
    call = "socket.socket(socket.AF_UNIX).connect(b'\\0letterbox')"
    sandbox.run_cell("import socket; s = socket.socket(socket.AF_UNIX); s.bind(b'\\0letterbox'); s.listen()")
    assert value(sandbox, call) == ""
    with Sandbox(LIMITS, seed=1) as other:
        assert "refused" in value(other, f"import socket; {call}")


def test_devices_are_few(sandbox):
    """Those that every program expects, and none of the machine's."""
    assert value(sandbox, "import os; print(*sorted(os.listdir('/dev')))").split() == \
        ["fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "urandom"]


def test_the_machine_has_no_name(sandbox):
    """The notebook does not learn where it runs."""
    assert value(sandbox, "import socket; socket.gethostname()") == "'notebook'"


def test_a_notebook_inherits_its_channel_alone():
    """Three streams to nowhere, and one socket; the nursery's own is not among them."""
    look = ("import os\nfor n in sorted(os.listdir('/proc/self/fd')):\n    f = f'/proc/self/fd/{n}'\n"
            "    if os.path.islink(f): print(os.readlink(f))")
    with Sandbox(LIMITS, seed=1) as fresh:
        *streams, channel = value(fresh, look).split()
    assert streams == ["/dev/null"] * 3
    assert channel.startswith("socket:")


def test_the_nursery_cannot_be_traced(sandbox):
    """Seen from outside by its own user: neither its memory nor its files can be read."""
    user = ["setpriv", "--reuid", str(sandbox._home._nursery.user), "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, "ls", f"/proc/{nursery_of(sandbox)}/fd"], capture_output=True, text=True)
    assert "Permission denied" in done.stderr


def test_never_root_and_no_capability(sandbox):
    """The student's code has an unprivileged uid and an empty bounding set."""
    assert value(sandbox, "import os; os.getuid()") == "1000"
    assert "CapBnd:\t0000000000000000" in value(sandbox, "print(open('/proc/self/status').read())")


@pytest.mark.skipif(os.geteuid() != 0, reason="only a root grader has privileges to drop")
def test_a_root_grader_drops_to_an_unprivileged_user_outside(sandbox):
    """Seen from outside, no process of the sandbox's belongs to root once it runs student code."""
    uids = list(descendants(sandbox).values())
    assert uids[-2:] == [sandbox._home._nursery.user] * 2           # the nursery and the notebook
    assert uids[-1] >= slots.FIRST_USER


def test_no_new_user_namespace(sandbox):
    """A student cannot make a namespace in which they are root."""
    assert "failed" in value(sandbox, "!unshare -U id 2>&1")


def test_no_other_process_is_seen(sandbox):
    """The process space holds the notebook alone, as process 1: there is no helper to find."""
    assert value(sandbox, "import os; ([p for p in os.listdir('/proc') if p.isdigit()], os.getppid())") == "(['1'], 0)"


@pytest.mark.parametrize("words", ["f * C_prev + i * C_tilde", "eq-lstm-cell-state", "def judge(self"])
def test_no_reference_and_no_verdict_is_inside(words):
    """A search of every readable file for the text of a reference finds nothing."""
    assert subprocess.run(["grep", "-rqF", words, sandboxes.__file__, *map(str, PACKAGE.glob("c*"))]).returncode == 0
    with Sandbox(Limits(seconds=10), seed=1) as searched:
        grep = ["grep", "-rlsF", "-D", "skip", "--exclude-dir=proc", "--exclude-dir=usr", words, "/"]
        found = value(searched, f"import subprocess; subprocess.run({grep}, capture_output=True, text=True).stdout")
    assert found == "''"


def test_importing_a_reference_says_why_not(sandbox):
    """`from lstmlab import LSTM` fails with a sentence."""
    assert "must be computed by your own code" in value(sandbox, "from lstmlab import LSTM")


@pytest.mark.parametrize("source", ["from lstmlab.tasks import adding",
                                    "import lstmlab; adding = lstmlab.tasks.adding"])
def test_tasks_are_inside(sandbox, source):
    """A notebook may draw its own training data."""
    shape = value(sandbox, f"{source}\nimport numpy as np\nadding(np.random.default_rng(0), 5, 3)[0].shape")
    assert shape == "(5, 3, 2)"


def test_check_does_nothing_inside(sandbox):
    """A student's own call of check neither fails nor judges."""
    assert value(sandbox, "from lstmlab import check; check('lstm_step', None)") == ""


def test_the_environment_holds_nothing_of_the_graders(sandbox, monkeypatch):
    """No variable of the grader's comes in."""
    monkeypatch.setenv("LSTMLAB_TEST_TOKEN", "secret")
    with Sandbox(LIMITS, seed=1) as fresh:
        assert "TOKEN" not in value(fresh, "import os; print(dict(os.environ))")


def test_a_traceback_does_not_tell_where_the_grader_lives(sandbox):
    """The interpreter lies inside where it does outside, often below a home; what is shown says /usr."""
    shown = str(clean_outputs(sandbox.run_cell("import json; json.loads('x')")["outputs"]))
    assert "json/decoder.py" in shown
    assert sys.base_prefix == "/usr" or sys.base_prefix not in shown


def test_an_endless_cell_is_stopped(sandbox):
    """A loop costs its CPU seconds and its cell, and the next cell runs."""
    reply = sandbox.run_cell("while True:\n    pass")
    assert reply["timed_out"]
    assert value(sandbox, "'alive'") == "'alive'"


def test_a_function_is_called_on_the_inputs_that_were_sent(sandbox):
    """Arrays go in, arrays come out."""
    sandbox.run_cell("def double(x):\n    return 2 * x")
    reply = sandbox.call("call", "double", [{"args": {"x": np.arange(3.0)}}], seed=0)
    assert reply["answers"][0]["value"]["array"].tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(("body", "expected"), [
    ("while True: pass", "timed_out"),
    ("import os; os._exit(3)", "died"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died"),
])
def test_a_check_that_hangs_or_dies_costs_itself_alone(sandbox, body, expected):
    """Each check runs in a fork of the notebook's process."""
    sandbox.run_cell(f"def bad(x):\n    {body}")
    assert expected in sandbox.call("call", "bad", [{"args": {"x": 1.0}}], seed=0)
    assert value(sandbox, "'alive'") == "'alive'"


def test_memory_is_limited(sandbox):
    """Allocating without end is a MemoryError in the student's own code."""
    sandbox.run_cell("import numpy as np\ndef hog(x):\n    kept = []\n    while True: kept.append(np.zeros(2**26))")
    reply = sandbox.call("call", "hog", [{"args": {"x": 1.0}}], seed=0)
    assert reply["answers"][0]["error"]["type"] == "MemoryError"


def test_processes_are_limited():
    """A fork bomb runs into the limit, and all of it dies with the sandbox."""
    with Sandbox(Limits(seconds=2, processes=20), seed=1) as bombed:
        before = descendants(bombed).keys()
        words = value(bombed, "import os, time\nn = 0\ntry:\n    while n < 1000:\n        if os.fork() == 0:\n"
                              "            time.sleep(600)\n        n += 1\nexcept OSError as e:\n    print(n, e)")
        inside = descendants(bombed).keys() - before
    assert "Resource temporarily unavailable" in words
    assert int(words.split()[0]) < 20
    assert len(inside) > 10
    assert not any(os.path.exists(f"/proc/{pid}") for pid in inside)


def test_a_dead_process_is_reported(sandbox):
    """Ending the runner is an error of that notebook's, said in words."""
    with Sandbox(LIMITS, seed=1) as doomed, pytest.raises(SandboxDied):
        doomed.run_cell("import os; os._exit(0)")


def test_the_same_seed_gives_the_same_student_random_numbers():
    """The student's own generators are seeded: a regrade sees the same numbers, another student others."""
    drawn = []
    for seed in (7, 7, 8):
        with Sandbox(LIMITS, seed=seed) as fresh:
            drawn.append(value(fresh, "import random, numpy as np; (random.random(), np.random.rand())"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_without_bubblewrap_grading_refuses_and_says_what_to_do(monkeypatch):
    """No isolation, no grading."""
    sandboxes.require_sandbox.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        sandboxes.require_sandbox()


def test_only_what_a_student_may_use_can_be_imported(sandbox):
    """Of the grader's own libraries nothing is inside."""
    assert "No module named 'nbgrader'" in value(sandbox, "import nbgrader")
    assert sys.version.split()[0] in value(sandbox, "import sys; sys.version")


# -- the channel ---------------------------------------------------------------------------------------

CHANNEL = ("import os, socket, struct\nfiles = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
           "channel = next(int(f[14:]) for f in files if os.path.islink(f) and 'socket' in os.readlink(f))\n")
FORGE = CHANNEL + "def forge(text): os.write(channel, struct.pack('<I', len(text)) + text.encode())\n"


@pytest.mark.parametrize("forged", ['{"answers": []}', '{"nonce": "0", "answers": []}', '{"absent": true}', "[]", "x"])
def test_a_reply_written_ahead_answers_nothing(forged):
    """It lacks the order's nonce: the sandbox is ended, and its cell is told from the others."""
    with Sandbox(LIMITS, seed=1) as forger, pytest.raises(SandboxDied):
        forger.run_cell(f"{FORGE}forge({forged!r})")              # it stands before the cell's own reply


def test_a_reply_is_not_taken_twice():
    """What is sent again for one order answers nothing for the next."""
    with Sandbox(LIMITS, seed=1) as replayer:
        replayer.run_cell("from inside import runner\nonce = runner.send\n"
                          "def twice(channel, data): once(channel, data); once(channel, data)\nrunner.send = twice")
        with pytest.raises(SandboxDied, match="answers no order"):
            replayer.call("call", "absent", [{"args": {"x": 1.0}}], seed=0)


@pytest.mark.parametrize("code", ["os.close(channel)", "os.write(channel, b'\\xff' * 8)",
                                  "socket.socket(fileno=channel).shutdown(socket.SHUT_RDWR)"])
def test_spoiling_the_channel_ends_that_sandbox_alone(sandbox, code):
    """The notebook is reported as dead; the one beside it does not notice."""
    with Sandbox(LIMITS, seed=1) as spoiler, pytest.raises(SandboxDied):
        spoiler.run_cell(CHANNEL + code)
    assert value(sandbox, "1 + 1") == "2"


def test_a_cell_that_returns_twice_answers_once():
    """os.fork() in a cell: the fork does not go on to serve orders."""
    with Sandbox(LIMITS, seed=1) as forked:
        assert value(forked, "import os\npid = os.fork()\nprint('once')") == "once\n"
        for number in range(5):
            assert value(forked, f"{number}") == str(number)


def test_spinning_threads_cost_their_cell_alone():
    """Threads that a cell left behind slow the notebook down; its checks, in a fork, do not have them."""
    with Sandbox(Limits(seconds=1), seed=1) as spun:
        reply = spun.run_cell("import threading\ndef spin():\n    while True: pass\nfor _ in range(8): "
                              "threading.Thread(target=spin, daemon=True).start()\nspin()")
        assert reply["timed_out"]
        spun.run_cell("def one(x): return x")
        assert "answers" in spun.call("call", "one", [{"args": {"x": 1.0}}], seed=0)


def test_outputs_are_capped(sandbox):
    """A flood of prints, of outputs and of images is cut, not refused."""
    assert len(value(sandbox, "for _ in range(200_000): print('0123456789' * 10)")) == 100_000
    assert len(sandbox.run_cell("for n in range(1000): display(n)")["outputs"]) == 100
    flood = "from IPython.display import Image\ndisplay(Image(data=bytes(10**7), format='png'))"
    assert len(str(sandbox.run_cell(flood))) < 2 * 10**6


def test_figures_left_open_are_shown_and_closed(sandbox):
    """At the end of their cell, each once."""
    reply = sandbox.run_cell("import matplotlib.pyplot as plt\nfor n in range(2): plt.figure(); plt.plot([n, 1])")
    assert sum("image/png" in output.get("data", {}) for output in reply["outputs"]) == 2
    assert value(sandbox, "len(plt.get_fignums())") == "0"


def test_what_is_printed_during_a_check_is_discarded(sandbox):
    """It could carry the inputs into the feedback."""
    sandbox.run_cell("import os, sys\nout = sys.stdout\ndef loud(x):\n    print(x); out.write('y'); os.write(1, b'z'); "
                     "display(x)\n    return x")
    reply = sandbox.call("call", "loud", [{"args": {"x": 1.0}}], seed=0)
    assert reply.keys() == {"answers"}
    assert sandbox.run_cell("pass")["outputs"] == []
