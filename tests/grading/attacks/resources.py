"""Resources: use up the machine, hang or kill what grades, return what cannot be handled."""

from .harness import Attack
from .patching import RAN, fake

FUNCTIONS = ("lstm_step", "lstm_forward", "parameter_count", "half_life_bias", "with_forget_bias")


def returned(title, *values, setup="", full=False):
    """An attack whose functions return these values, one a function."""
    answers = {name: f"{name} = lambda *args: {value}" for name, value in zip(FUNCTIONS, values, strict=False)}
    return Attack(title, (f"import numpy as np\n{setup}{RAN}",), functions=answers, full=full)


def cell(title, source, full=False, **more):
    """An attack in one cell."""
    return Attack(title, (source,), full=full, **more)


BOMB = """\
started = 0
try:
    while started < 5000:
        if os.fork() == 0:
            time.sleep(600)
        started += 1
except OSError:
    pass
print("attack ran", started)"""

CLASSES = """\
class Ends(np.ndarray):
    def __array_finalize__(self, obj):
        pass
    def tobytes(self, *args):
        os._exit(0)
    nbytes = -2**62
class Endless(list):
    def __iter__(self):
        while True:
            yield 1
    def __len__(self):
        return 2**62
class Items(dict):
    def items(self):
        while True:
            yield "key", 1
class Asks:
    def __array__(self, *args, **kwargs):
        while True:
            pass
    def __reduce__(self):
        return os.system, ("touch /tmp/attack-reduced",)
    __reduce_ex__ = lambda self, protocol: self.__reduce__()
class Text(str):
    def __str__(self):
        raise SystemExit
    def __len__(self):
        return -1
class Meta(type):
    @property
    def __name__(cls):
        os._exit(0)
class Nameless(metaclass=Meta):
    pass
Long = type("x" * 10**7, (), {})
cycle = []
cycle.append(cycle)
deep = []
for _ in range(100_000):
    deep = [deep]
"""

ERRORS = """\
class Raises(Exception):
    def __str__(self):
        raise self
    __repr__ = __str__
class Huge(Exception):
    def __str__(self):
        return "x" * 10**8
class Endless(Exception):
    def __str__(self):
        while True:
            pass
class Renders(Exception):
    def _render_traceback_(self):
        return 17
class Frames(Exception):
    __traceback__ = property(lambda self: self)
class Ends(BaseException):
    def __str__(self):
        os._exit(0)
class NotText(Exception):
    def __str__(self):
        return 17
def throw(error):
    raise error
"""

ATTACKS = (
    cell("a cell never ends", "while True:\n    pass", ran="used more than 1 s of CPU"),
    cell("a cell never ends and catches its end", """\
begin = time.process_time()
while time.process_time() < begin + 6:
    try:
        while time.process_time() < begin + 6:
            pass
    except BaseException:
        pass""" + RAN, ran="attack ran|used more than|left out of grading: timed out"),
    Attack("a function never ends", functions=fake("lstm_step", "while True:\n    pass"),
        ran="lstm_step: .*not finish"),
    Attack("a function sleeps for ever", functions=fake("lstm_step", "time.sleep(10**6)"),
           ran="lstm_step: .*not finish|lstm_step: no verdict", full=True),
    cell("a cell sleeps for ever", "time.sleep(10**6)", ran="left out of grading: timed out", full=True),
    cell("a cell awaits for ever", "import asyncio\nawait asyncio.sleep(10**6)", ran="left out of grading: timed out",
         full=True),
    cell("signals are ignored, and a loop never ends", """\
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    pass""", ran="left out of grading", full=True),
    cell("threads spin", """\
def spin():
    while True:
        pass
for _ in range(20):
    threading.Thread(target=spin,
        daemon=True).start()""" + RAN, keeps=0.0, ran="attack ran|left out|no verdict|used more",
         full=True),
    cell("forks spin", """\
for _ in range(6):
    if os.fork() == 0:
        while True:
            pass""" + RAN),
    cell("a fork bomb", BOMB, ran=r"attack ran \d{1,3}\n", keeps=0.0),
    Attack("a fork bomb in a check", functions=fake("lstm_step", BOMB + "\nreturn started"), ran="lstm_step: "),
    cell("a fork bomb of a shell", "!:(){{ :|:& }};: \nprint('attack ran')", keeps=0.0,
        ran="attack ran|left out|no verdict",
         full=True),
    cell("memory without end in a cell", "kept = []\nwhile True:\n    kept.append(bytearray(2**24))",
         ran="MemoryError|left out of grading|used more than"),
    Attack("memory without end in a check", functions=fake(
        "lstm_step", "kept = []\nwhile True:\n    kept.append(bytearray(2**24))"), ran="lstm_step: "),
    cell("memory that no process is seen to hold", """\
import mmap
kept = []
try:
    for _ in range(6):
        kept.append(mmap.mmap(-1, 2**28))
        for begin in range(0, 2**28, 2**22):
            kept[-1][begin:begin + 2**22] = b"x" * 2**22
        kept[-1].madvise(mmap.MADV_DONTNEED)
except OSError as error:
    print(error)
try:
    kept.append(mmap.mmap(os.open("/dev/zero", os.O_RDWR), 2**20))
except OSError as error:
    print(error)
print("SUCC" + "EEDED" if kept else "attack ran")""", seconds=5.0),
    cell("one huge array", "import numpy as np\nprint('attack ran')\nnp.ones(2**40)", ran="attack ran"),
    cell("the scratch disk is filled", """\
written = 0
for place in ("/tmp", "/dev/shm", os.getcwd()):
    for number in range(100):
        try:
            with open(f"{place}/fill-{number}", "wb") as file:
                while written < 2**31:
                    written += file.write(bytes(2**20))
        except OSError:
            pass
print("attack ran" if written < 2**28 else "SUCC" + "EEDED", written >> 20)""", seconds=10.0),
    cell("the scratch disk's inodes are used up", """\
made = 0
try:
    while made < 300_000:
        os.mkdir(f"/tmp/{made}")
        made += 1
except (OSError, MemoryError) as error:
    print(error)
print("attack ran", made)""", ran="attack ran|used more than", full=True),
    cell("text without end", """\
for _ in range(100):
    print("x" * 10**6)
    print("y" * 10**6, file=sys.stderr)""" + RAN, ran="x{1000}"),
    cell("displays without end", """\
from IPython.display import display
for number in range(100_000):
    display({"n": "z" * 1000})""" + RAN, ran="z{900}|used more than"),
    cell("native text without end", """\
for _ in range(2000):
    os.write(1, bytes(2**16)), os.write(2, bytes(2**16))
subprocess.run("yes | head -c 50000000; yes | head -c 50000000 >&2", shell=True)""" + RAN, ran="attack ran|used more"),
    cell("pictures without end", """\
from IPython.display import display
picture = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(10**6)
for _ in range(100):
    display({"image/png": picture, "text/plain": "picture"},
        raw=True)""" + RAN, ran="attack ran|left out|died|more output",
         full=True),
    returned("huge arrays", "np.zeros(2**24)", "(np.broadcast_to(0.0, (2**20,) * 2),) * 3", "np.arange(2**20)",
             "np.broadcast_to(np.zeros(1), (2**40,))", "{str(n): n for n in range(10**6)}"),
    returned("nested without end, and round in circles", "(deep, deep, deep)", "cycle", "deep", "[cycle] * 1000",
             "{'b_f': {'b_f': cycle}}", setup=CLASSES),
    returned("subclasses and hostile methods", "np.zeros(3).view(Ends)", "Endless([1, 2, 3])", "Asks()", "Text('x')",
             "Items(b_f=1)", setup=CLASSES, full=False),
    returned("names and keys without end", "Long()", "{'k' * 10**8: 1}", "{Long(): 1}", "Nameless()",
             "{Text('b_f'): 1, None: 2, 'W_f': np.zeros(3)}", setup=CLASSES, full=True),
    returned("NaN, infinity and no number", "(np.nan, np.inf, {})", "(np.full((4, 2, 3), np.nan),) * 3", "float('nan')",
             "np.full(np.shape(args[0]), np.inf)", "{key: value * np.nan for key, value in args[0].items()}"),
    returned("arrays of odd types", "(np.array(['x']), np.array(None), {})", "(np.zeros(3, 'M8[s]'),) * 3",
             "np.array(3, dtype=object)", "np.ma.masked_array(args[0], True)",
             "{key: np.zeros(3, [('a', int)]) for key in args[0]}"),
    returned("things that are no arrays", "open", "(x for x in [1, 2, 3])", "type", "sys.modules", "get_ipython()"),
    Attack("exceptions with a hostile text", (f"{ERRORS}{RAN}",), functions={
        name: f"{name} = lambda *args: throw({error})" for name, error in
        zip(FUNCTIONS, ("Raises()", "Huge()", "Ends()", "NotText()", "Frames()"), strict=True)}),
    Attack("exceptions that end more than a function", (f"{ERRORS}{RAN}",), functions={
        name: f"{name} = lambda *args: throw({error})" for name, error in
        zip(FUNCTIONS, ("SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()", "Endless()", "StopIteration()"),
            strict=True)}),
    cell("exceptions with a hostile text in cells", f"{ERRORS}print('attack ran')\nthrow(Raises())"),
    cell("an exception renders itself", f"{ERRORS}print('attack ran')\nthrow(Renders())", full=True),
    cell("a cell ends the process", "os._exit(0)", ran="left out of grading"),
    cell("a cell kills the process", "os.kill(os.getpid(), signal.SIGKILL)\nprint('attack ran')",
         ran="left out of grading|attack ran", full=True),
    cell("a cell kills everything it can", "os.kill(-1, signal.SIGKILL)\nprint('attack ran')",
         ran="left out of grading|attack ran"),
    cell("a cell crashes the interpreter", "ctypes.string_at(0)", ran="left out of grading"),
    cell("the stack overflows", """\
sys.setrecursionlimit(2**30)
threading.stack_size(0)
def down(n):
    return down(n + 1)
down(0)""", ran="left out of grading|RecursionError|MemoryError|used more"),
    cell("every descriptor is closed", "os.closerange(0, 5000)\nprint('attack ran')", ran="left out of grading"),
    cell("every descriptor leads nowhere", """\
nowhere = os.open("/dev/null", os.O_RDWR)
for number in range(0, 200):
    if number != nowhere:
        os.dup2(nowhere, number)
print("attack ran")""", ran="left out of grading", full=True),
    cell("another program takes the process's place", "os.execv('/usr/bin/true', ['true'])", ran="left out of grading",
         full=True),
    Attack("functions end, crash and kill their process", (f"sys.setrecursionlimit(2**30){RAN}",), functions={
        name: f"{name} = lambda *args: {action}" for name, action in
        zip(FUNCTIONS, ("os._exit(0)", "ctypes.string_at(0)", "os.kill(os.getpid(), 9)", "os.abort()",
                        "os.kill(os.getppid(), 9)"), strict=True)}, keeps=0.0),
    Attack("functions close, exec and stop", (RAN,), functions={
        name: f"{name} = lambda *args: {action}" for name, action in
        zip(FUNCTIONS, ("os.closerange(0, 5000)", "os.execv('/usr/bin/true', ['true'])",
                        "os.kill(os.getpid(), signal.SIGSTOP)", "time.sleep(10**6)", "os.kill(-1, signal.SIGSTOP)"),
            strict=True)}, keeps=0.0, full=True),
    cell("a thousand threads", """\
started = 0
try:
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        started += 1
except RuntimeError as error:
    print(error)
print("attack ran" if started < 1000 else "SUCC" + "EEDED", started)""", keeps=0.0),
    cell("limits, priority and processors are changed", """\
import resource
for number in range(16):
    try:
        soft, hard = resource.getrlimit(number)
        resource.setrlimit(number, (0 if number in (resource.RLIMIT_NOFILE,) else soft, hard))
    except (OSError, ValueError):
        pass
os.nice(19)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.umask(0o777)""" + RAN, keeps=0.0, ran="attack ran|left out"),
    cell("the folders it works in are removed", """\
import shutil
shutil.rmtree(os.environ.get("HOME", "/tmp/home"), ignore_errors=True)
shutil.rmtree("/tmp", ignore_errors=True)
os.environ.clear()""" + RAN),
    cell("modules and names are thrown away", """\
print("attack ran")
get_ipython().reset(new_session=True)
for name in list(sys.modules):
    if name not in ("sys", "builtins"):
        del sys.modules[name]
del sys.path[:]""", keeps=0.0),
    cell("builtins are thrown away", "import builtins\nprint('attack ran')\nvars(builtins).clear()", keeps=0.0,
        full=True,
         ran="attack ran|left out"),
    cell("streams and hooks are broken", """\
print("attack ran")
class Broken:
    def __getattr__(self, name):
        raise SystemExit
sys.stdout = sys.stderr = sys.displayhook = Broken()""", keeps=0.0, ran="attack ran|left out"),
    cell("a trace function never returns", """\
print("attack ran")
def trace(frame, event, arg):
    while True:
        pass
sys.settrace(trace)
threading.settrace(trace)""", keeps=0.0, ran="attack ran|left out|used more", full=True),
    cell("garbage collection and exit handlers are hostile", """\
import atexit, gc
class Last:
    def __del__(self):
        os.fork()
        time.sleep(600)
last = Last()
atexit.register(time.sleep, 600)
gc.set_threshold(1)
gc.callbacks.append(lambda phase, info: None)""" + RAN),
    cell("a shell runs on in the background", """\
!(setsid nohup sleep 600 &) ; (trap '' TERM INT HUP; sleep 601) & disown
get_ipython().system_raw("sleep 600 &")""" + RAN, full=True, ran="attack ran|left out"),
    cell("input is asked for", "print('attack ran')\ninput('password?')"),
)
