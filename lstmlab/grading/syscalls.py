"""The system calls that a notebook's process may make, as a compiled seccomp filter.

Whatever is not listed does not exist there (ENOSYS, on which the C library falls back): no namespace, mount, trace,
key, program for the kernel, anonymous memory file, io_uring, message queue or shared-memory segment. Nor is there what
would carry a letter from one notebook to another by way of the files that all of them see: no lock on a file, no watch
over one, no question about what of it is in memory, and no wake-up of who waits at the same place of it.
"""

from __future__ import annotations

import errno
import functools
import socket
import tempfile

ALLOWED = """
    accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres clock_gettime
    clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fallocate
    fchdir fchmod fchmodat fchmodat2 fchown fchownat fdatasync fgetxattr flistxattr fork fstat fstatfs fsync ftruncate
    futimesat get_robust_list getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername
    getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr ioctl kill lchown lgetxattr link linkat listen listxattr llistxattr
    lseek lstat madvise membarrier mkdir mkdirat mknod mknodat mlock mlock2 mprotect mremap msync munlock munmap
    nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 poll ppoll prctl pread64
    preadv prlimit64 pselect6 pwrite64 pwritev pwritev2 read readlink readlinkat readv recvfrom recvmmsg recvmsg rename
    renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_yield select sendfile
    sendmmsg sendmsg sendto set_robust_list set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid
    setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid shutdown sigaltstack signalfd
    signalfd4 splice stat statfs statx symlink symlinkat sync_file_range tee tgkill time timer_create timer_delete
    timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate
    umask uname unlink unlinkat utime utimensat utimes vfork wait4 waitid write writev
"""
NAMESPACE_FLAGS = 0x7E020000       # of clone: mount, cgroup, UTS, IPC, user, PID and network namespace
SHARED, ANONYMOUS, HUGE = 0x01, 0x20, 0x40000                                       # of mmap
WAIT, WAIT_BITSET, PRIVATE, COMMAND = 0, 9, 0x80, 0x7F                              # of futex
# of fcntl: copies of a descriptor, its flags and those of its file, who gets its signals, the size of a pipe
CONTROLS = (0, 1, 2, 3, 4, 8, 9, 10, 11, 1030, 1031, 1032)


@functools.cache
def compiled() -> bytes:
    """The filter as the kernel takes it, for this machine's architecture.

    Returns
    -------
    bytes
        Eight for each instruction.

    Raises
    ------
    ImportError, RuntimeError
        If pyseccomp or the library libseccomp is missing.
    """
    import pyseccomp  # Linux alone has it

    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    rules.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for name in ALLOWED.split():
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:      # each architecture lacks some
            rules.add_rule(pyseccomp.ALLOW, name)
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NAMESPACE_FLAGS, 0))
    for command in CONTROLS:
        rules.add_rule(pyseccomp.ALLOW, "fcntl", pyseccomp.Arg(1, pyseccomp.EQ, command))
    # a file's memory or one's own: what is shared and no file's is counted for nobody who has let go of it
    rules.add_rule(pyseccomp.ALLOW, "mmap", pyseccomp.Arg(3, pyseccomp.MASKED_EQ, ANONYMOUS, 0))
    rules.add_rule(pyseccomp.ALLOW, "mmap",
                   pyseccomp.Arg(3, pyseccomp.MASKED_EQ, ANONYMOUS | SHARED | HUGE, ANONYMOUS))
    # between threads whatever there is; beyond them a thread's end may be waited for
    rules.add_rule(pyseccomp.ALLOW, "futex", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, PRIVATE, PRIVATE))
    for command in (WAIT, WAIT_BITSET):
        rules.add_rule(pyseccomp.ALLOW, "futex", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, PRIVATE | COMMAND, command))
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):         # others are no part of a network namespace
        rules.add_rule(pyseccomp.ALLOW, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    rules.add_rule(pyseccomp.ALLOW, "socketpair", pyseccomp.Arg(0, pyseccomp.EQ, socket.AF_UNIX))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
