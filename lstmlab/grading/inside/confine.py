"""From a fork of the nursery to a place of its own: namespaces, mounts, no privilege and few system calls.

Two forks: the first makes the namespaces and ends; the second is process 1 of its own process space, mounts what is
private, gives up every privilege and forks the notebook's process. When process 1 dies, the kernel kills all of the
space. A step that fails raises: there is no half-confined notebook.
"""

from __future__ import annotations

import ctypes
import os

DEVICE_TERMINALS = "newinstance,ptmxmode=0666,mode=620"
MAX_FILES = 20_000                 # on one scratch disk: an empty file uses memory, too

# linux/sched.h: mount, cgroup, UTS, IPC, user, PID and network namespace
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_NOSUID, _NODEV, _NOEXEC, _RECURSIVE, _PRIVATE = 2, 4, 8, 0x4000, 0x40000          # linux/mount.h
_SET_DUMPABLE, _SET_SECCOMP, _DROP_BOUND, _SUBREAPER, _NO_NEW_PRIVILEGES, _AMBIENT = 4, 22, 24, 36, 38, 47  # prctl.h
_CLOSE_RANGE = 436                 # its number on every architecture
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(what: str, result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _prctl(what: str, option: int, *args: int) -> None:
    padded = [ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4]]
    _checked(what, _libc.prctl(option, *padded))


def guard() -> None:
    """Let nobody trace this process or read its memory."""
    _prctl("not dumpable", _SET_DUMPABLE, 0)


def adopt() -> None:
    """Become the parent of grandchildren whose parent has ended."""
    _prctl("subreaper", _SUBREAPER, 1)


def keep_only(*descriptors: int) -> None:
    """Close every file but standard input, output, error and these."""
    first = 3
    for kept in (*sorted(descriptors), 2**31):
        if first < kept:
            last = ctypes.c_uint(kept - 1)
            _checked("close_range", _libc.syscall(ctypes.c_long(_CLOSE_RANGE), ctypes.c_uint(first), last, 0))
        first = kept + 1


def separate() -> None:
    """Enter new namespaces; the next fork is process 1 of the new process space."""
    user, group = os.getuid(), os.getgid()
    _prctl("dumpable", _SET_DUMPABLE, 1)                          # else the files below belong to root
    _checked("unshare", _libc.unshare(_NAMESPACES))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def furnish(disk: int) -> None:
    """Mount a /proc of this process space and empty disks of `disk` bytes; no namespace can be made below this one."""
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, DEVICE_TERMINALS)
    for folder in ("/tmp", "/dev/shm"):
        _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, f"size={disk},nr_inodes={MAX_FILES},mode=0700")
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    os.mkdir("/tmp/home")
    os.chdir("/tmp/home")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [text.encode() if text else None for text in (source, target, kind, options)]
    _checked(f"mount {target}", _libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]))


def renounce(system_calls: bytes) -> None:
    """Drop every capability for good, and allow only the system calls that the compiled filter lets through."""
    _prctl("ambient capabilities", _AMBIENT, 4)
    for capability in range(64):
        if _libc.prctl(_DROP_BOUND, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break                                                 # beyond the last that this kernel knows
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _checked("capset", _libc.capset(header, (ctypes.c_uint32 * 6)()))
    _prctl("no new privileges", _NO_NEW_PRIVILEGES, 1)
    code = ctypes.create_string_buffer(system_calls, len(system_calls))
    program = _Program(len(system_calls) // 8, ctypes.cast(code, ctypes.c_void_p))
    _checked("seccomp", _libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(program), 0, 0))


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def be_ordinary() -> None:
    """In the notebook's process, which has nothing to hide: let it read its own /proc/self."""
    _prctl("dumpable", _SET_DUMPABLE, 1)
