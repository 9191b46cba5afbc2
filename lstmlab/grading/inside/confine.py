"""From a fork of the nursery to a place of its own: namespaces, mounts, no privilege and few system calls.

The nursery has one capability, over the namespaces that bubblewrap made for it. Its fork is process 1 of a new process
space, so that the kernel ends all of the space with it; mounts what is private; enters a user namespace that owns none
of this; and gives up every privilege. A step that fails raises: there is no half-confined notebook.
"""

from __future__ import annotations

import ctypes
import os

DEVICE_TERMINALS = "newinstance,ptmxmode=0666,mode=620"
MAX_FILES = 20_000                 # on one scratch disk: an empty file uses memory, too

_USER, _PROCESSES = 0x10000000, 0x20000000                                             # linux/sched.h
_MOUNT, _CGROUP, _UTS, _IPC, _NETWORK = 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _RECURSIVE, _PRIVATE = 2, 4, 8, 0x4000, 0x40000          # linux/mount.h
_SET_DUMPABLE, _SET_SECCOMP, _DROP_BOUND, _NO_NEW_PRIVILEGES, _AMBIENT = 4, 22, 24, 38, 47         # linux/prctl.h
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


def keep_only(*descriptors: int) -> None:
    """Close every file but standard input, output, error and these."""
    first = 3
    for kept in (*sorted(descriptors), 2**31):
        if first < kept:
            last = ctypes.c_uint(kept - 1)
            _checked("close_range", _libc.syscall(ctypes.c_long(_CLOSE_RANGE), ctypes.c_uint(first), last, 0))
        first = kept + 1


def fork() -> int:
    """As os.fork; the child is process 1 of a new process space."""
    here = os.open("/proc/self/ns/pid", os.O_RDONLY)
    _checked("unshare", _libc.unshare(_PROCESSES))
    child = os.fork()
    if child:
        _checked("setns", _libc.setns(here, _PROCESSES))          # where the next one begins
    os.close(here)
    return child


def separate() -> None:
    """Enter namespaces of one's own, but for the user's; no terminal, no message and no address is shared."""
    os.setsid()
    _checked("unshare", _libc.unshare(_MOUNT | _CGROUP | _UTS | _IPC | _NETWORK))
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)


def furnish(disk: int) -> int:
    """Mount a /proc of this process space alone, and empty disks of `disk` bytes; return the folder of all settings.

    What /proc tells of the whole machine (files open, processes begun, memory free) changes by what other notebooks do.
    """
    settings = os.open("/proc/sys", os.O_PATH | os.O_DIRECTORY)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, "subset=pid")
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, DEVICE_TERMINALS)
    for folder in ("/tmp", "/dev/shm"):
        _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, f"size={disk},nr_inodes={MAX_FILES},mode=0700")
    os.mkdir("/tmp/home")
    os.chdir("/tmp/home")
    return settings


def become_nobody(settings: int) -> None:
    """Enter a user namespace that owns nothing, with one user, and below which none can be made.

    `settings` is the folder that `furnish` returned; it is closed.
    """
    user, group = os.getuid(), os.getgid()
    _prctl("dumpable", _SET_DUMPABLE, 1)                          # else the files below belong to root
    _checked("unshare", _libc.unshare(_USER))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    limit = os.open("user/max_user_namespaces", os.O_WRONLY, dir_fd=settings)
    os.write(limit, b"0")
    os.close(limit)
    os.close(settings)


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
