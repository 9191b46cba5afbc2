"""What must hold inside every sandbox, asked from inside before any student's code runs."""

from __future__ import annotations

import json

# Runs as a cell. The grader made it and nobody else has been there, so its answers can be believed.
LOOK = """
import ctypes, json, os, socket

def status(name):
    with open("/proc/self/status") as file:
        return next(line.split(":")[1].split() for line in file if line.startswith(name + ":"))

def refused(use):
    try:
        use()
    except OSError:
        return True
    return False

libc = ctypes.CDLL(None)
found = {
    "users": sorted(set(status("Uid") + status("Gid"))),
    "capabilities": sorted({status("Cap" + kind)[0] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}),
    "no_new_privileges": status("NoNewPrivs"), "filter": status("Seccomp"),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), "own": os.getpid(),
    "interfaces": [line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line],
    "loopback_refused": refused(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    "unshare": libc.unshare(0x10000000), "mount": libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "files": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    "disks": [(lambda s: s.f_blocks * s.f_frsize)(os.statvfs(folder)) for folder in ("/tmp", "/dev/shm")],
    "read_only": [bool(os.statvfs(folder).f_flag & os.ST_RDONLY) for folder in ("/", "/dev", "/course", "/usr/lib")],
}
print(json.dumps(found))
"""


def broken(reply: dict, disk: int) -> list[str]:
    """What does not hold, in words, from the reply to `LOOK` in a sandbox with scratch disks of `disk` bytes."""
    outputs = reply["outputs"]
    try:
        found = json.loads(outputs[0]["text"])
    except (LookupError, ValueError):
        return [f"it could not be looked at ({str(outputs)[:500]})"]
    promises = {
        "student code is root": found["users"] == ["1000"],
        "it has capabilities": found["capabilities"] == ["0" * 16],
        "it can gain privileges": found["no_new_privileges"] == ["1"],
        "its system calls are not filtered": found["filter"] == ["2"],
        "it sees other processes": found["processes"] == [1] and found["own"] == 1,
        "there is a network": set(found["interfaces"]) <= {"lo"} and found["loopback_refused"],
        "it can make namespaces": found["unshare"] == -1,
        "it can mount": found["mount"] == -1,
        "it inherits files": len(found["files"]) <= 5,            # three streams, the channel, the listing itself
        "its scratch disks have no size": max(found["disks"]) <= disk,
        "the system is writable": all(found["read_only"]),
    }
    return [words for words, holds in promises.items() if not holds]
