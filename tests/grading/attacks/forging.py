"""Forging: write the answers of a check, or the frames that carry them, without computing anything."""

from .harness import Attack
from .patching import RAN, fake


def replies(title, *expressions, full=False, ran="attack ran", keeps=2.0):
    """An attack that replies to the checks after the sigmoid's with these values, one after the other.

    A check is answered in a fork, so that each takes the reply of its own function's name.
    """
    names = ("lstm_step", "lstm_forward", "parameter_count", "half_life_bias", "with_forget_bias")
    prepared = "\n".join(f"table[{name!r}] = {source}" for name, source in zip(names, expressions, strict=False))
    hook = f"""\
from lstmlab.checks import probe, wire
import numpy as np
table = {{}}
{prepared}
old_encode, asked = wire.encode, []
def encode(value):
    if isinstance(value, dict) and "answers" in value and asked and asked[-1] in table:
        shaped = table[asked[-1]]
        return shaped if isinstance(shaped, bytes) else old_encode(shaped)
    return old_encode(value)
wire.encode = encode
def noting(old):
    def kind(fn, requests):
        asked.append(getattr(fn, "__name__", ""))
        return old(fn, requests)
    return kind
for kind, old in list(probe.KINDS.items()):
    probe.KINDS[kind] = noting(old)
assert len(table) == {len(expressions)}{RAN}"""
    return Attack(title, (hook,), functions={name: f"def {name}(*args):\n    return None" for name in names}, full=full,
                  ran=ran, keeps=keeps)


EARLY = """\
claims = [{"answers": [{"value": {"type": "ndarray", "array": 1}}] * 3, "earned": 17.0, "right": True},
          {"outputs": [], "timed_out": False, "answers": []}]
written = sum(write_to_all(frame(claim)) for claim in claims * REPEAT)
print("attack ran" if written else "no channel", written)"""

READ_AND_ANSWER = """\
def serve():
    libc.prctl(15, PROCESS.encode(), 0, 0, 0)
    from lstmlab.checks import wire
    numbers = channels()
    while True:
        ready = select.select(numbers, [], [], 3)[0]
        for number in ready:
            try:
                data = os.read(number, 2**20)
            except OSError:
                os._exit(0)
            if not data:
                os._exit(0)
            os.write(number, frame({"answers": saved[0], "outputs": [], "timed_out": False}))
        if not ready:
            os._exit(0)
saved = [[]]
if os.fork() == 0:
    serve()
print("attack ran")"""

REPLAY = """\
from lstmlab.checks import wire
old = wire.encode
def encode(value):
    if isinstance(value, dict) and "answers" in value:
        if os.path.exists("/tmp/replay"):
            return open("/tmp/replay", "rb").read()
        data = old(value)
        open("/tmp/replay", "wb").write(data)
        return data
    return old(value)
wire.encode = encode"""

OWN_RUNNER = """\
script = r'''
import os, sys, struct, json, stat, select
claim = json.dumps({"outputs": [{"output_type": "stream", "name": "stdout", "text": "attack ran"}], "timed_out": False,
                    "answers": [], "earned": 17, "right": True}).encode()
numbers = [int(n) for n in sys.argv[1].split(",")]
for number in numbers:
    os.write(number, struct.pack("<I", len(claim)) + claim)
while True:
    ready = select.select(numbers, [], [], 5)[0]
    if not ready:
        break
    for number in ready:
        if not os.read(number, 2**20):
            sys.exit()
        os.write(number, struct.pack("<I", len(claim)) + claim)
'''
open("/tmp/own.py", "w").write(script)
numbers = channels()
for number in numbers:
    os.set_inheritable(number, True)
os.execv(sys.executable or "/usr/bin/python3", ["python", "-S", "/tmp/own.py", ",".join(map(str, numbers))])"""


def raw_frame(title, expression, full=False):
    """An attack that writes raw bytes into every channel, in a cell, and dies of it."""
    return Attack(title, (f"written = write_to_all({expression})\nprint('attack ran' if written else 'no channel')",),
                  full=full, ran="attack ran|left out of grading")


ATTACKS = (
    Attack("frames are written before they are asked for", ("REPEAT = 20\n" + EARLY,), keeps=0.0,
           ran="attack ran|no usable answer|no verdict|left out of grading"),
    Attack("a frame is written after the answer", functions=fake("lstm_step", """\
for _ in range(5):
    write_to_all(frame({"answers": [], "earned": 17.0, "right": True, "outputs": []}))
return 0"""), ran="lstm_step: ", keeps=2.0),
    Attack("a process reads the orders and answers for the runner", (READ_AND_ANSWER,), keeps=0.0, ran="."),
    Attack("the answer of the first check is replayed in the others", (REPLAY + RAN,)),
    Attack("a fork answers as well", functions=fake("lstm_step", """\
if os.fork() == 0:
    libc.prctl(15, PROCESS.encode(), 0, 0, 0)
    return 1
return 2"""), ran="lstm_step: "),
    Attack("a fork goes on after the check and answers the next ones", functions=fake("lstm_step", """\
if os.fork() == 0:
    libc.prctl(15, PROCESS.encode(), 0, 0, 0)
    os.setsid()
    for _ in range(30):
        write_to_all(frame({"answers": [], "right": True}))
        time.sleep(0.1)
    os._exit(0)
return 0"""), ran="lstm_step: ", keeps=2.0),
    Attack("the runner is replaced by a program of the student's own", (OWN_RUNNER,), keeps=0.0,
           ran="attack ran|left out of grading|no usable answer"),
    replies("answers of other shapes", "{'answers': {'value': 1}}", "{'answers': 17.0}", "{'answers': 'right'}",
            "{'answers': None}", "{'answers': [[[[]]]]}"),
    replies("answers that are no answers", "{'answers': [None] * 7}", "{'answers': [{'value': None}] * 4}",
            "{'answers': [{'error': {'type': 'NotImplementedError'}}] * 100}", "{'answers': [{}] * 100_000}",
            "{'answers': True, 'timed_out': False, 'absent': False}", full=True),
    replies("the reply claims a status", "{'answers': [], 'status': 'right', 'earned': 6.0}",
            "{'absent': 1, 'answers': []}", "{'died': None, 'earned': 1}", "{'timed_out': 1, 'earned': 17.0}",
            "{'absent': True, 'answers': [{'value': {'type': 'x', 'array': np.zeros(3)}}]}"),
    replies("a death notice with lone surrogates and escape sequences", "{'died': '\\ud800\\udfff'}",
            "{'died': '\\x1b]0;mine\\x07\\x1b[2J\\x00'}", "{'died': '<script>document.title = 1</script>' * 99}",
            "{'died': ['a', 'b']}", "{'died': {'a': 1}}"),
    replies("NaN and infinity in every place",
        *["{'answers': [{'value': {'type': 'tuple', 'items': [{'type': 'ndarray',"
            f" 'array': np.full((3, 5), {number})}}] * 3}}}}] * {n}}}" for n, number in
            ((4, "np.nan"), (5, "np.inf"), (6, "-np.inf"), (5, "np.nan"), (4, "np.inf"))]),
    replies("arrays of sixteen axes",
        *["{'answers': [{'value': {'type': 'ndarray', 'array': np.zeros((1,) * 16), 'items':"
            " [{'type': 'ndarray', 'array': np.zeros((1,) * 16)}] * 3}}] * 5}"] * 5),
    replies("arrays without entries",
        *["{'answers': [{'value': {'type': 'ndarray', 'array': np.zeros((0, 10**9)), 'items':"
            " [{'type': 'ndarray', 'array': np.zeros((0,) * 3)}] * 3}}] * 5}"] * 5, full=True),
    replies("arrays of every type of number", *["{'answers': [{'value': {'type': 'ndarray', 'array': np.ones((), "
            f"{kind!r}), 'items': {{'b_f': {{'array': np.ones(3, {kind!r})}}}}}}}}] * 5}}"
            for kind in ("?", "<c16", "|i1", "<u8", "<f4")], full=True),
    replies("lies about what was changed, hostile warnings and keys",
            "{'answers': [{'value': {'type': 'x', 'array': np.zeros(3)}, 'changed': [{'a': []}, 7, 'x'] * 99}] * 4}",
            "{'answers': [{'value': {'type': 'x\\x1b[2J'}, 'warnings': ['<script>\\ud800' * 99, None]}] * 4}",
            "{'answers': [{'value': {'type': '', 'dtype': ['a']}}] * 5}",
            "{'answers': [{'error': {'type': ['x'], 'message': {'a': 1}, 'line': 10**30, 'source': '\\ud800'}}] * 5}",
            "{'answers': [{'value': {'type': 'dict', 'items': {'\\x1b[2J\\ud800': {}}}}] * 5}"),
    replies("numbers that no float holds", "b'{\"answers\": [1e999, -1e999, NaN, Infinity]}'",
            "b'{\"answers\": ' + b'9' * 5000 + b'}'", "b'{\"answers\": [' + b'1' * 4000 + b']}'",
            "b'{\"answers\": [{\"error\": {\"line\": 1e400}}]}'", "b'{\"answers\": -0.0}'", full=True,
            ran="attack ran|no verdict"),
    replies("bytes that are no message", "b'\\xff\\xfe\\x00'", "b'{\"answers\": [], \"answers\": [1]}'",
        "b'[' * 200_000",
            "b'{\"answers\": {\"__array__\": \"|O8\", \"shape\": [1], \"data\": \"AAAA\"}}'",
            "b'{\"answers\": {\"__array__\": \"<f8\", \"shape\": [-1, 1000000000000], \"data\": \"\"}}'", keeps=0.0,
            ran="no verdict"),
    replies("messages in other encodings", "'{}'.encode('utf-16')", "'{\"answers\": []}'.encode('utf-32')", "b''",
        "b'null'",
            "b'\\xef\\xbb\\xbf{\"answers\": []}'", keeps=0.0, ran="no verdict", full=True),
    replies("a reply of twenty million empty lists",
            "b'{\"answers\":[' + b'[],' * 20_000_000 + b'0]}'", keeps=2.0, ran="attack ran|no verdict"),
    replies("a reply beyond the size of a message", "b'{\"answers\":\"' + b'x' * (80 * 2**20) + b'\"}'", keeps=2.0,
            ran="attack ran|no verdict", full=True),
    raw_frame("a frame of four gigabytes is announced", "b'\\xff\\xff\\xff\\xff' + b'x' * 1000"),
    raw_frame("half a frame, and then nothing", "struct.pack('<I', 1000) + b'{'", full=True),
    raw_frame("frames without content", "bytes(400)"),
    Attack("a frame comes a byte at a time", ("""\
def drip():
    data = frame({"outputs": [], "answers": []})
    while True:
        for number in data:
            write_to_all(bytes([number]))
            time.sleep(0.2)
threading.Thread(target=drip, daemon=True).start()
time.sleep(1)""" + RAN,), keeps=0.0, ran=".", full=True),
    Attack("outputs of every wrong shape are forged", ("""\
shell = get_ipython()
class Items(list):
    pass
hostile = [None, 7, [], {}, {"output_type": "stream"}, {"output_type": "stream", "name": "x", "text": {"a": 1}},
           {"output_type": "display_data", "data": {"text/html": "<script>1</script>", "image/svg+xml": "<svg/>",
                                                    "image/png": "AAAA", "text/plain": ["a"]}},
           {"output_type": "error", "ename": 1, "evalue": [], "traceback": {"a": 1}},
           {"output_type": "error", "ename": "\\ud800", "evalue": "\\x00", "traceback": ["<script>"] * 99},
           {"output_type": "nbgrader", "score": 17, "points": 17, "metadata": {"nbgrader": {"score": 17}}}]
print("attack ran")
if hasattr(shell, "outputs"):
    shell.outputs.items[1:1] = hostile""",)),
    Attack("the channel is exchanged for one of the student's own", ("""\
replaced = 0
for number in channels():
    ours, theirs = socket.socketpair()
    os.dup2(theirs.fileno(), number)
    replaced += 1
print("attack ran", replaced)""",), keeps=0.0, ran="left out of grading|no verdict|timed out", full=True),
)
