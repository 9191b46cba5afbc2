"""Stealing: find a reference, an expected value, a secret or another student's work, and use it."""

from .harness import Attack
from .patching import RAN, fake

SEARCH_DISK = """\
needles = [bytes(reversed(word)) for word in (b"-yranac", b"edlit_C * i + verp_C * f", b"NOITULOS NIGEB")]
seen, found = 0, []
for top in ("/course", "/tmp", "/root", "/home", "/etc", "/mnt", "/opt", "/srv", "/var", "/run", "/work",
    "/proc/1/root",
            "/proc/1/cwd", "/usr/local", "/dev/shm", os.path.dirname(CANARY_FILE)):
    for folder, folders, names in os.walk(top):
        if folder.count("/") > 9 or "/proc/1/root/proc" in folder or "/proc/1/root/usr" in folder:
            folders.clear()
            continue
        for name in names:
            path = os.path.join(folder, name)
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode) or os.path.getsize(path) > 300_000:
                    continue
                if not name.endswith((".py", ".ipynb", ".db", ".md", ".txt", "canary", "secret", ".json", ".log")):
                    continue
                text = open(path, "rb").read()
            except OSError:
                continue
            seen += 1
            if any(needle in text for needle in needles) or name in ("gradebook.db", "run-secret"):
                found.append((path, text[:200]))
print("attack ran over", seen, "files", found)
if found:
    print("SUCC" + "EEDED")"""

READ_PROC = """\
tried = 0
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for name in ("environ", "cmdline", "maps", "stack", "syscall", "auxv", "wchan", "personality", "io"):
        tried += 1
        try:
            print(pid, name, open(f"/proc/{pid}/{name}", "rb").read()[:2000])
        except OSError as error:
            print(pid, name, error.strerror)
print("attack ran", tried)"""

READ_MEMORY = """\
needle = bytes(reversed(b"-yranac"))
found, tried = [], 0
for pid in PIDS:
    try:
        maps = open(f"/proc/{pid}/maps").read().splitlines()
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except OSError as error:
        print(pid, error.strerror)
        tried += 1
        continue
    for line in maps:
        span, mode = line.split()[:2]
        begin, end = (int(part, 16) for part in span.split("-"))
        if "r" not in mode or "w" not in mode or end - begin > 2**28:
            continue
        try:
            memory.seek(begin)
            content = memory.read(end - begin)
        except (OSError, ValueError, OverflowError):
            continue
        tried += 1
        at = content.find(needle)
        while at >= 0:
            # the sixteen hexadecimal digits that follow are nowhere in this notebook
            text = content[at + len(needle):at + len(needle) + 16]
            if len(text) == 16 and all(c in b"0123456789abcdef" for c in text):
                found.append((pid, line, text))
            at = content.find(needle, at + 1)
print("attack ran over", tried, "maps")
if found:
    print("SUCC" + "EEDED", found[:3])"""

OTHERS = "PIDS = [name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()]\n"

DESCRIPTORS = """\
for number in sorted(int(name) for name in os.listdir("/proc/self/fd")):
    try:
        target, mode = os.readlink(f"/proc/self/fd/{number}"), os.fstat(number).st_mode
    except OSError:
        continue
    print(number, target)
    if stat.S_ISDIR(mode):
        try:
            print("SUCC" + "EEDED", os.listdir(f"/proc/self/fd/{number}/../../../.."))
        except OSError as error:
            print(error)
    if stat.S_ISREG(mode) and not target.startswith(("/tmp", "/usr", "/course", "/proc")):
        print("SUCC" + "EEDED", os.pread(number, 100, 0))
print("attack ran")"""

ATTACKS = (
    Attack("every frame of the runner is read", ("""\
seen = []
def look(frame):
    while frame:
        seen.append(str(frame.f_locals)[:5000] + str(frame.f_globals)[:2000])
        frame = frame.f_back
look(sys._getframe())
for frame in sys._current_frames().values():
    look(frame)
print("".join(seen)[:15000])""" + RAN,),
           functions=fake("lstm_step", "look(sys._getframe())\nreturn {text[:290]: 0 for text in seen[-12:]}")),
    Attack("the garbage collector's objects are read", ("""\
import gc
words = ("expected", "reference", "secret", "judge", "verdict", "tolerance", "mistake")
found = [value for value in gc.get_objects() if isinstance(value, dict)
         and any(isinstance(key, str) and key in ("expected", "reference", "tolerance", "run_secret", "seeds")
                 for key in list(value))]
print("attack ran over", len(gc.get_objects()), [sorted(map(str, value))[:6] for value in found][:20])""",)),
    Attack("the disk is searched for solutions and references", (SEARCH_DISK,), seconds=20.0),
    Attack("the grader's environment is read in every process's /proc", (READ_PROC,)),
    Attack("another process's memory is read", (OTHERS + READ_MEMORY,), seconds=5.0),
    Attack("the memory inherited from the pre-imported parent is read", ("PIDS = ['self']\n" + READ_MEMORY,),
           seconds=20.0),
    Attack("inherited descriptors lead somewhere", (DESCRIPTORS,)),
    Attack("the channel is read ahead", ("""\
got = []
for number in channels():
    try:
        twin = socket.socket(fileno=os.dup(number))
        got.append((number, twin.getsockopt(socket.SOL_SOCKET, 17, 12)))
        data, extra, *_ = twin.recvmsg(4096, 4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        got.append((data[:200], extra))
        if extra:
            print("SUCC" + "EEDED")
    except OSError as error:
        got.append(error.strerror)
print("attack ran", got)""",)),
    Attack("the inputs are printed during a check", functions=fake("half_life_bias", """\
print("INPUTS", n)
print("INPUTS", n, file=sys.stderr)
os.write(1, b"INPUTS"), os.write(2, b"INPUTS")
sys.__stdout__ and sys.__stdout__.write("INPUTS")
get_ipython().outputs.text("stdout", f"INPUTS {n}") if hasattr(get_ipython(), "outputs") else None
for name in ("/dev/stdout", "/dev/tty", "/dev/console", "/proc/1/fd/2"):
    try:
        open(name, "w").write("INPUTS")
    except OSError:
        pass
open("/tmp/called", "w").write("called")
return 0 * n"""), last=("print('attack ran' if os.path.exists('/tmp/called') else 'not called')",)),
    Attack("the references are imported", ("""\
import importlib, importlib.util
for name in ("lstmlab.cells", "lstmlab.cells.lstm", "lstmlab.checks.ps3_lstm_forward", "lstmlab.checks._check",
             "lstmlab.convert", "lstmlab.torch", "lstmlab.gradcheck", "lstmlab.grading", "lstmlab.grading.grade",
             "torch",
             "nbgrader", "pytest"):
    try:
        importlib.import_module(name)
        print("SUCC" + "EEDED", name)
    except ImportError as error:
        print(error)
for name in ("LSTM", "check_gradients", "lstm_step", "cells"):
    try:
        print("SUCC" + "EEDED", getattr(importlib.import_module("lstmlab"), name))
    except (ImportError, AttributeError) as error:
        print(error)""" + RAN,)),
    Attack("the caller's frames give away the requests", functions=fake("parameter_count", """\
frame, found = sys._getframe(), {}
while frame:
    found |= {f"{frame.f_code.co_name}.{name}={value!r}"[:280]: 0 for name, value in frame.f_locals.items()}
    frame = frame.f_back
return found"""), ran="parameter_count: "),
    Attack("an expected value is read from the verdict", functions={
        "lstm_step": "def lstm_step(params, x, h_prev, C_prev):\n    z = np.zeros_like(h_prev)\n"
                     "    return z, z, dict(f=z, i=z, C_tilde=z, o=z, C=z)",
        "half_life_bias": "def half_life_bias(n):\n    return np.zeros(np.shape(n))",
        "lstm_forward": "def lstm_forward(params, xs, h0, C0):\n"
                        "    return np.zeros((len(xs), *h0.shape)), h0, C0"}, ran="half_life_bias: wrong"),
    Attack("a shell looks around", ("""\
!id; env; cat /proc/1/environ | tr '\\0' '\\n'; cat {CANARY_FILE}; ls -la / /root /home /work /mnt /run /var/run; mount
!cat /etc/shadow /etc/passwd /root/.bash_history /root/.ssh/* /run/secrets/* /var/run/docker.sock; cat /proc/net/unix
!cat /proc/keys /proc/key-users /proc/kallsyms /proc/kcore /proc/sysvipc/shm | head -c 1000""" + RAN,)),
    Attack("a gradebook is opened", ("""\
import sqlite3
tried = 0
for place in ("gradebook.db", "class/gradebook.db", "../gradebook.db", "/course/class/gradebook.db",
    "/srv/gradebook.db",
              os.path.dirname(CANARY_FILE) + "/gradebook.db"):
    for mode in ("ro", "rw"):
        try:
            with sqlite3.connect(f"file:{place}?mode={mode}", uri=True) as database:
                print("SUCC" + "EEDED", database.execute("select * from grade").fetchall())
        except sqlite3.Error as error:
            tried += 1
print("attack ran", tried)""",)),
    Attack("a link in the scratch folder leads out", ("""\
for target in (CANARY_FILE, "/root", "/etc/shadow", "/proc/1/root/etc/shadow", f"/proc/{GRADER}/root{CANARY_FILE}"):
    link = "/tmp/home/link"
    os.path.lexists(link) and os.unlink(link)
    os.symlink(target, link)
    try:
        print(open(link).read())
        open(link, "a").write("changed")
        print("SUCC" + "EEDED")
    except OSError as error:
        print(error.strerror)""" + RAN,)),
    Attack("the clock tells what the verdict will be", functions=fake("half_life_bias", """\
begin = time.perf_counter_ns()
best = min(range(50), key=lambda k: time.perf_counter_ns() - begin)
return np.full(np.shape(n), float(best))"""), ran="half_life_bias: "),
    Attack("a debugger waits for a grader to touch it", ("""\
import gc, weakref
class Trap:
    def __getattribute__(self, name):
        frame = sys._getframe(1)
        if "expected" in frame.f_locals or "seed" in frame.f_locals and "cases" in frame.f_locals:
            open("/tmp/expected", "w").write(repr(frame.f_locals))
        return object.__getattribute__(self, name)
sys.setprofile(lambda frame, event, arg: "expected" in frame.f_locals and open("/tmp/expected",
    "a").write("x") and None)
gc.callbacks.append(lambda phase, info: None)""" + RAN,), functions=fake("lstm_step", "return Trap()"),
           last=("print('SUCC' + 'EEDED' if os.path.exists('/tmp/expected') else 'nothing')",), keeps=0.0, full=True),
)
