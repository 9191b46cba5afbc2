"""Colluding: two students graded at the same time, one of whom has the answers."""

from dataclasses import dataclass

from .harness import Attack
from .patching import RAN


@dataclass(frozen=True)
class Letter:
    """A way for one notebook to hand `LETTER` to another.

    Attributes
    ----------
    title : str
        What it uses.
    post : str
        The sender's code; it may start threads.
    fetch : str
        The receiver's: an expression, or statements that set ``got``.
    """

    title: str
    post: str
    fetch: str


LETTERS = (
    Letter("loopback over TCP", """\
server = socket.create_server(("127.0.0.1", PORT))
server.listen()
def hand_out():
    while True:
        caller = server.accept()[0]
        caller.sendall(LETTER)
        caller.close()
threading.Thread(target=hand_out, daemon=True).start()""",
           "got = socket.create_connection(('127.0.0.1', PORT), timeout=0.5).recv(100)"),
    Letter("loopback over UDP", """\
def send():
    twin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for address in ("127.0.0.1", "127.255.255.255", "224.0.0.1"):
            try:
                twin.sendto(LETTER, (address, PORT + 1))
            except OSError:
                pass
        time.sleep(0.05)
threading.Thread(target=send, daemon=True).start()""", """\
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.bind(("", PORT + 1))
mine.settimeout(0.5)
got = mine.recv(100)"""),
    Letter("an abstract socket", """\
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(f"\\0{PROCESS}-letter")
abstract.listen()
def hand_out():
    while True:
        caller = abstract.accept()[0]
        caller.sendall(LETTER)
        caller.close()
threading.Thread(target=hand_out, daemon=True).start()""", """\
mine = socket.socket(socket.AF_UNIX)
mine.settimeout(0.5)
mine.connect(f"\\0{PROCESS}-letter")
got = mine.recv(100)"""),
    Letter("files in every writable folder", """\
for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", os.getcwd(), os.environ.get("HOME", "/tmp"),
              os.path.dirname(CANARY_FILE)):
    try:
        open(os.path.join(place, f"{PROCESS}-letter"), "wb").write(LETTER)
    except OSError:
        pass""", """\
got = b"".join(open(path, "rb").read() for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", os.getcwd(),
               os.path.dirname(CANARY_FILE)) for path in glob.glob(f"{place}/{PROCESS}-letter"))"""),
    Letter("a named pipe", """\
def pipe():
    for place in ("/tmp", "/dev/shm"):
        os.mkfifo(f"{place}/{PROCESS}-pipe")
    os.write(os.open(f"/tmp/{PROCESS}-pipe", os.O_RDWR), LETTER)
    time.sleep(60)
threading.Thread(target=pipe, daemon=True).start()""",
           "got = os.read(os.open(f'/tmp/{PROCESS}-pipe', os.O_RDONLY | os.O_NONBLOCK), 100)"),
    Letter("System V shared memory", """\
number = libc.shmget(0x15731573, 4096, 0o1666)
if number < 0:
    raise OSError("no shared memory")
libc.shmat.restype = ctypes.c_void_p
ctypes.memmove(libc.shmat(number, None, 0), LETTER, len(LETTER))""", """\
number = libc.shmget(0x15731573, 4096, 0)
libc.shmat.restype = ctypes.c_void_p
got = ctypes.string_at(libc.shmat(number, None, 0), 6) if number >= 0 else b''"""),
    Letter("a System V message queue", """\
queue = libc.msgget(0x15731574, 0o1666)
libc.msgsnd(queue, struct.pack("<q", 1) + LETTER, len(LETTER), 0o4000)""", """\
queue, room = libc.msgget(0x15731574, 0), ctypes.create_string_buffer(100)
got = room.raw[8:14] if queue >= 0 and libc.msgrcv(queue, room, 50, 0, 0o4000) > 0 else b''"""),
    Letter("a POSIX message queue", """\
queue = libc.mq_open(b"/attack-letter", 0o102, 0o666, None)
libc.mq_send(queue, LETTER, len(LETTER), 0)""", """\
queue, room = libc.mq_open(b"/attack-letter", 0o4000, 0, None), ctypes.create_string_buffer(8192)
got = room.raw[:6] if queue >= 0 and libc.mq_receive(queue, room, 8192, None) > 0 else b''"""),
    Letter("a key in a keyring", """\
for keyring in (-2, -3, -4, -5):
    syscall(248, b"user", b"attack-letter", LETTER, len(LETTER), keyring)
    key = syscall(248, b"user", b"attack-letter", LETTER, len(LETTER), keyring)[0]
    syscall(250, 5, key, 0x3f3f3f3f)""", """\
room, got = ctypes.create_string_buffer(100), b""
for keyring in (-2, -3, -4, -5):
    key = syscall(250, 10, keyring, b"user", b"attack-letter", 0)[0]
    if key > 0 and syscall(250, 11, key, room, 100)[0] > 0:
        got = room.raw[:6]"""),
    Letter("locks on parts of a file that both see", """\
import fcntl
locked = open("/usr/bin/env", "rb")
for place, byte in enumerate(LETTER):
    fcntl.lockf(locked, fcntl.LOCK_SH, 1, 256 * place + byte)""", """\
import fcntl
locked, ask = open("/usr/bin/env", "rb"), "hhqqi4x"
for place in range(6 * 256):
    said = fcntl.fcntl(locked, fcntl.F_GETLK, struct.pack(ask, fcntl.F_WRLCK, 0, place, 1, 0))
    got += bytes([place % 256] * (struct.unpack(ask, said)[0] != fcntl.F_UNLCK))"""),
    Letter("a lock on a whole file that both see", """\
import fcntl
held = open("/usr/bin/yes", "rb")
fcntl.flock(held, fcntl.LOCK_EX)""", """\
import fcntl
try:
    fcntl.flock(open("/usr/bin/yes", "rb"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    got = b'locked'"""),
    Letter("a watch over a folder that both see", """\
def knock():
    while True:
        os.close(os.open("/usr/bin/who", os.O_RDONLY))
        time.sleep(0.02)
threading.Thread(target=knock, daemon=True).start()""", """\
watch = libc.inotify_init1(0o4000)
libc.inotify_add_watch(watch, b"/usr/bin", 0x20)
time.sleep(0.1)
got = os.read(watch, 1000)"""),
    Letter("a place in a library at which the other waits", """\
place = ctypes.c_uint32.from_address(ctypes.cast(libc.strlen, ctypes.c_void_p).value & ~3)
def sit():
    while True:
        syscall(202, ctypes.byref(place), 0, place.value, struct.pack("<2q", 1, 0), None, 0)
threading.Thread(target=sit, daemon=True).start()""", """\
place = ctypes.c_uint32.from_address(ctypes.cast(libc.strlen, ctypes.c_void_p).value & ~3)
got = b'woken' if syscall(202, ctypes.byref(place), 1, 1, None, None, 0)[0] > 0 else b''"""),
    Letter("what of a file is in memory", "open('/usr/bin/pinky', 'rb').read()",
           "got = bytes(os.preadv(os.open('/usr/bin/pinky', os.O_RDONLY), [bytearray(1)], 0, os.RWF_NOWAIT))"),
    Letter("how many files the machine has open", "opened = [open('/dev/null') for _ in range(100)]",
           "got = open('/proc/sys/fs/file-nr', 'rb').read()"),
    Letter("the neighbour's process", "pass", """\
got = b"".join(open(f"/proc/{pid}/environ", "rb").read() for pid in os.listdir("/proc")
               if pid.isdigit() and f"{PROCESS}-sender" in open(f"/proc/{pid}/comm").read())"""),
)

SENDER = """\
LETTER, PORT = b"letter", 47011
posted = []
{posts}
def work():
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        time.sleep(0.05)
work()
print("sender done", len(posted))"""


def sender(seconds: float) -> str:
    """The sender's cell: it posts every letter and stays for a while."""
    posts = []
    for letter in LETTERS:
        body = "\n".join(f"    {line}" for line in letter.post.splitlines())
        posts.append(f"try:\n{body}\n    posted.append({letter.title!r})\nexcept OSError as error:\n    print(error)")
    return SENDER.format(posts="\n".join(posts), seconds=seconds)


def receiver(seconds: float) -> str:
    """The receiver's cell: it looks for every letter, again and again, and says which ones came."""
    looks = []
    for letter in LETTERS:
        body = "\n".join(f"        {line}" for line in letter.fetch.splitlines())
        looks.append(f"    try:\n        got = b''\n{body}\n        if got:\n            came.add({letter.title!r})\n"
                     "    except OSError:\n        pass")
    tries = "\n".join(looks)
    return (f"PORT, came, rounds = 47011, set(), 0\nend = time.monotonic() + {seconds}\n"
            f"while time.monotonic() < end:\n    rounds += 1\n{tries}\n    time.sleep(0.05)\n"
            "print('receiver done', rounds, sorted(came))")


CALL_OUT = """\
tried = 0
for family, address, kind in ((socket.AF_INET, ("127.0.0.1", TCP), socket.SOCK_STREAM),
                              (socket.AF_INET, ("127.0.0.1", UDP), socket.SOCK_DGRAM),
                              (socket.AF_UNIX, UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, ABSTRACT,
                                  socket.SOCK_STREAM),
                              (socket.AF_INET, ("0.0.0.0", TCP), socket.SOCK_STREAM),
                              (socket.AF_INET, ("169.254.169.254", 80), socket.SOCK_STREAM),
                              (socket.AF_INET, ("10.0.2.2", TCP), socket.SOCK_STREAM)):
    try:
        caller = socket.socket(family, kind)
        caller.settimeout(0.3)
        caller.connect(address)
        caller.send(b"here I am")
        if kind == socket.SOCK_STREAM:
            print("SUCC" + "EEDED", address)
    except OSError as error:
        print(address, error)
    tried += 1
print("attack ran", tried)"""

ATTACKS = (
    Attack("a server outside is called", (CALL_OUT,)),
    Attack("a name is looked up", ("""\
try:
    print("SUCC" + "EEDED", socket.getaddrinfo("example.org", 80))
except OSError as error:
    print(error)""" + RAN,)),
    Attack("a shell calls out", ("""\
!timeout 1 bash -c 'echo hello > /dev/tcp/127.0.0.1/{TCP}' && echo SUCC''EEDED
!timeout 1 bash -c 'echo hello > /dev/udp/127.0.0.1/{UDP}'""" + RAN,)),
    Attack("something is left behind for the next student", ("""\
for place in ("/tmp", "/dev/shm", "/course", "/course/stage", "/usr/lib", "/var/tmp", "/run",
    os.path.dirname(CANARY_FILE)):
    try:
        open(f"{place}/{PROCESS}-left", "w").write("left")
        print("written", place)
    except OSError as error:
        print(place, error.strerror)
if os.fork() == 0:
    libc.prctl(15, PROCESS.encode(), 0, 0, 0)
    os.setsid()
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        time.sleep(600)
    os._exit(0)
os.wait()""" + RAN,)),
)
