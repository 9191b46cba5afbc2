"""Escapes by system call: every call is made with arguments that would work, were it allowed."""

from .harness import Attack

TOOLS = """
def buffer(size, *head):
    "Memory of some size that begins with these 32-bit numbers."
    return ctypes.create_string_buffer(struct.pack(f"<{len(head)}I", *head), size)

def call(*arguments):
    result, number = syscall(*arguments)
    if result < 0:
        raise OSError(number, os.strerror(number))
    return result

def attempt(action):
    "Print what an action comes to, in a child of its own: it may stop or end its process."
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        libc.prctl(15, PROCESS.encode(), 0, 0, 0)
        try:
            action()
            words = "SUCC" + "EEDED"
        except BaseException as error:
            words = f"refused: {error}"
        os.write(writing, words.encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1000).decode() if select.select([reading], [], [], 3)[0] else ""
    os.close(reading)
    print(said or "refused: the process was stopped")
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except OSError:
        pass
print("attack ran")
"""


def python(title, *lines):
    """An action that succeeds unless it raises."""
    body = "\n".join(f"    {line}" for line in lines)
    return Attack(title, (f"def action():\n{body}\nattempt(action)\nprint('attack ran')",), together="system calls")


def call(title, *arguments):
    """One system call by its number on x86-64."""
    return python(title, f"call({', '.join(arguments)})")


ATTACKS = (
    Attack("the tools of the calls", (TOOLS,), together="system calls"),
    call("a user namespace by unshare", "272", "0x10000000"),
    call("a mount namespace by unshare", "272", "0x00020000"),
    call("a network namespace by unshare", "272", "0x40000000"),
    python("a user namespace by clone", "call(56, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)"),
    python("a user namespace by clone3",
           "call(435, struct.pack('<8Q', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)"),
    *[python(f"the first process's {name} namespace by setns",
        f"call(308, os.open('/proc/1/ns/{name}', os.O_RDONLY), 0)")
      for name in ("user", "mnt", "net", "ipc")],
    call("a tmpfs mounted over the scratch folder", "165", "b'none'", "b'/tmp/home'", "b'tmpfs'", "0", "None"),
    call("the system mounted writable", "165", "None", "b'/usr'", "None", "0x1020", "None"),
    call("/proc unmounted", "166", "b'/proc'", "2"),
    call("/course unmounted", "166", "b'/course/stage'", "2"),
    call("open_tree and move_mount", "428", "-100", "b'/'", "1"),
    call("fsopen", "430", "b'tmpfs'", "0"),
    call("pivot_root", "155", "b'/tmp'", "b'/tmp/home'"),
    call("chroot", "161", "b'/tmp'"),
    call("ptrace attaches to the first process", "101", "16", "1", "0", "0"),
    call("ptrace seizes the parent", "101", "0x4206", "os.getppid()", "0", "0"),
    call("ptrace by the parent's leave", "101", "0", "0", "0", "0"),
    *[python(f"memory of {whose} by process_vm_{how}", "target = ctypes.create_string_buffer(16)",
             "vector = struct.pack('<2Q', ctypes.addressof(target), 16)",
             f"call({number}, {pid}, vector, 1, vector, 1, 0)")
      for how, number in (("readv", 310), ("writev", 311))
      for whose, pid in (("the parent", "os.getppid()"), ("the process itself", "os.getpid()"))],
    call("keyctl asks for the session keyring", "250", "0", "-3", "1"),
    call("add_key leaves a key in the session keyring", "248", "b'user'", "b'attack'", "b'letter'", "6", "-3"),
    call("request_key finds a key", "249", "b'user'", "b'attack'", "None", "0"),
    call("memfd_create makes memory that no limit counts", "319", "b'attack'", "0"),
    call("memfd_secret", "447", "0"),
    call("bpf makes a map", "321", "0", "buffer(128, 2, 4, 8, 1)", "72"),
    call("io_uring is set up", "425", "4", "ctypes.create_string_buffer(120)"),
    call("userfaultfd", "323", "1"),
    call("perf_event_open", "298", "buffer(128, 1, 112)", "0", "-1", "-1", "0"),
    *[python(f"descriptors of {whose} by pidfd_getfd", f"number = call(434, {pid}, 0)",
             "taken = [syscall(438, number, wanted, 0) for wanted in range(20)]",
             "if all(result < 0 for result, _ in taken):", "    raise OSError(*taken[-1])")
      for whose, pid in (("the first process", "1"), ("the parent", "os.getppid()"))],
    python("open_by_handle_at opens what no path leads to", "memory, mount = buffer(200, 128, 0), ctypes.c_int()",
           "call(303, -100, b'/usr', memory, ctypes.byref(mount), 0)", "call(304, os.open('/usr', 0), memory, 0)"),
    python("the grader is sent a signal", "os.kill(GRADER, 0)"),
    python("processes that are not of this notebook are seen",
        "own = {'python', 'python3', 'python3.11', 'bwrap', PROCESS}",
           "names = {open(f'/proc/{pid}/comm').read().strip() for pid in os.listdir('/proc') if pid.isdigit()}",
           "if names <= own or len(names) < 5:", "    raise OSError(f'only {sorted(names)}')"),
    python("characters are pushed into a terminal by TIOCSTI", "import fcntl, termios",
           "fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), termios.TIOCSTI, b'x')"),
    python("the kernel's log is read", "os.read(os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), 100)"),
    call("the kernel's log by syslog", "103", "3", "ctypes.create_string_buffer(4096)", "4096"),
    python("the kernel's core pattern is set", "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x')"),
    python("the machine is told to crash", "open('/proc/sysrq-trigger', 'w').write('h')"),
    python("a kernel setting is changed", "open('/proc/sys/vm/drop_caches', 'w').write('1')"),
    python("/sys is read", "open('/sys/kernel/notes', 'rb').read(10)"),
    python("a file of the grader's through the first process's root", "open('/proc/1/root' + CANARY_FILE).read()"),
    python("a file of the grader's through the grader's number", "open(f'/proc/{GRADER}/root' + CANARY_FILE).read()"),
    python("a file of the grader's through the first process's folder", "os.chdir('/proc/1/cwd')",
        "os.chdir('../../../..')",
           "open(CANARY_FILE.lstrip('/')).read()"),
    python("memory of the first process is written", "if os.getppid() == 1:",
           "    raise OSError('it is the notebook itself')", "memory = open('/proc/1/mem', 'r+b', 0)",
           "line = next(l for l in open('/proc/1/maps') if ' rw-p ' in l)", "memory.seek(int(line.split('-')[0], 16))",
           "memory.write(memory.read(0) or b'x')"),
    python("the first process is ended", "os.kill(1, signal.SIGKILL)", "time.sleep(0.2)",
           "raise OSError('the signal is ignored')"),
    python("the user is changed", "os.setuid(0)"),
    python("the user is changed to a neighbour's", "os.setresuid(64002, 64002, 64002)"),
    python("the groups are changed", "os.setgroups([0])"),
    python("a set-user-id program makes root", "subprocess.run(['su', '-c', 'id'], check=True, capture_output=True,"
           " timeout=2) if os.path.exists('/usr/bin/su') else None", "os.geteuid() == 0 or os.setuid(0)"),
    python("a device is made", "os.mknod('/tmp/home/device', 0o600 | stat.S_IFBLK, os.makedev(254, 0))",
           "open('/tmp/home/device', 'rb').read(10)"),
    python("a raw socket is opened", "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"),
    python("a packet socket is opened", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    python("a hard limit is raised", "import resource",
           "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"),
    python("priority is raised", "os.setpriority(os.PRIO_PROCESS, 0, -20)"),
    python("a real-time schedule is set", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))"),
    python("the clock is set", "time.clock_settime(time.CLOCK_REALTIME, 0)"),
    python("the host's name is changed", "socket.sethostname('mine')"),
    call("the machine is restarted", "169", "0xfee1dead", "672274793", "0x01234567", "None"),
    call("swap is turned on", "167", "b'/tmp/home'", "0"),
    call("a kernel module is loaded", "175", "b''", "0", "b''"),
    call("new privileges are regained by prctl", "157", "38", "0", "0", "0", "0"),
    call("a capability is taken into the ambient set", "157", "47", "2", "21", "0", "0"),
)
