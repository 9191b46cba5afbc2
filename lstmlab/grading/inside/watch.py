"""What processes use, read from /proc: CPU seconds, memory of their own, and whether any of them is at work."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

AVAILABLE = os.path.exists("/proc/self/stat")            # on Linux
TICK = os.sysconf("SC_CLK_TCK") if AVAILABLE else 100


@dataclass
class Usage:
    """What some processes have used.

    Attributes
    ----------
    cpu : float
        CPU seconds, those of their ended children included.
    memory : int
        Bytes beyond those they were forked with; what some share counts for each.
    busy : bool
        Whether one of them runs, waits for a processor or for a disk: who starves is not idle.
    """

    cpu: float = 0.0
    memory: int = 0
    busy: bool = False


def usage(pids, base: int = 0) -> Usage:
    """Add up what these processes use; `base` is the memory that each was forked with."""
    found = Usage()
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            found.cpu += sum(map(int, fields[11:15])) / TICK
            found.busy |= fields[0] in (b"R", b"D")
            found.memory += max(0, held(pid) - base)
    return found


def held(pid) -> int:
    """Bytes of a process's memory that are no file's, swapped out or not."""
    with open(f"/proc/{pid}/status", "rb") as file:
        rows = dict(line.split(b":", 1) for line in file)
    return 1024 * sum(int(rows[name].split()[0]) for name in (b"RssAnon", b"RssShmem", b"VmSwap") if name in rows)


class Idle:
    """Counts the seconds in which nothing was at work, between one look and the next."""

    def __init__(self, now: float):
        self.seconds, self._cpu, self._then = 0.0, 0.0, now

    def look(self, used: Usage, now: float) -> float:
        """Take note of what is used now; return the idle seconds so far."""
        if not used.busy and used.cpu == self._cpu:
            self.seconds += now - self._then
        self._cpu, self._then = used.cpu, now
        return self.seconds
