"""One unprivileged user for each nursery that a root grader starts, shared with no other on the machine.

The kernel counts some of what a user may have over all of the user's processes, so two sandboxes with one user
could starve each other. A slot is a locked file; the lock is inherited by the nursery and ends with its last process.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .runtime import SandboxUnavailable

FOLDER = Path("/run/lstmlab")
FIRST_USER = 60800                 # in the gap 60706..61183 that neither Debian nor systemd gives to anyone
SLOTS = 256


def take_slot() -> tuple[int, int]:
    """Take a free slot.

    Returns
    -------
    user, lock : int
        The user's number, and the descriptor whose last copy to be closed frees the slot.

    Raises
    ------
    SandboxUnavailable
        If none is free, or the folder of the locks is not root's own.
    """
    import fcntl  # not on Windows, which imports this module, too

    FOLDER.mkdir(mode=0o700, exist_ok=True)
    found = FOLDER.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SandboxUnavailable(f"{FOLDER} should be a folder that only root can enter; remove it and grade again")
    for slot in range(SLOTS):
        lock = os.open(FOLDER / f"slot-{slot}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return FIRST_USER + slot, lock
    raise SandboxUnavailable(f"all {SLOTS} sandboxes that this machine may have at a time are in use")
