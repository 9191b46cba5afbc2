"""Where notebooks are graded: in this process, or by the workers of a Dask cluster.

A worker gets the notebook's bytes, the release, the seeds and the limits, and sends bytes back: it needs no shared
disk, never sees the gradebook or the run secret, and nothing that it sends is unpickled here.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import signal
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import nbformat

from . import grade as grading
from .grade import Graded, Mark, Seeds
from .release import Release
from .sandbox import Limits, SandboxUnavailable, require_sandbox

AHEAD = 2                          # notebooks in flight for each worker: one that runs, one that waits beside it
NO_WORKER = 60                     # seconds after which a cluster without a worker is given up
SAME = ("lstmlab", "numpy", "torch")                               # versions that a mark depends on
# Dask keeps its last thousand messages for debugging; ours hold whole notebooks.
FORGETFUL = {"distributed.admin.low-level-log-length": 0}
_ADDRESS = re.compile(r"tls://[^/\s:]+(:\d+)?|tls://\[[0-9A-Fa-f:]+\](:\d+)?")


class ClusterError(RuntimeError):
    """The cluster cannot grade; the message says what was expected."""


@dataclass(frozen=True)
class Task:
    """All that a worker is told.

    Attributes
    ----------
    raw : bytes
        The submitted file.
    release : Release
        What was released.
    seeds : Seeds
        Of the inputs and of the student's own generators.
    limits : Limits
        What the notebook may use.
    confined : bool
        False runs without a sandbox.
    """

    raw: bytes
    release: Release
    seeds: Seeds
    limits: Limits
    confined: bool

    def grade(self) -> Graded:
        """Grade once, however it ends."""
        return grading.grade(self.raw, self.release, self.seeds, self.limits, self.confined, again=False)


class Here:
    """Grades in this process, one notebook after the other."""

    def grade(self, tasks: Iterable[tuple[object, Task]], alone: bool = False) -> Iterator[tuple]:
        """Grade tasks as `Cluster.grade` does."""
        for key, task in tasks:
            try:
                yield key, task.grade()
            except Exception as error:                             # a grader's own error costs this submission alone
                yield key, error


class Cluster:
    """Grades on the workers of a Dask cluster, one notebook a worker at a time.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    confined : bool
        Whether the workers must be able to isolate.

    Raises
    ------
    ClusterError
        If there is no worker, or one would not give the marks that this process gives.
    SandboxUnavailable
        If a worker cannot isolate.
    """

    def __init__(self, client, confined: bool):
        self.client = client
        try:
            client.wait_for_workers(1, timeout=NO_WORKER)
        except TimeoutError:
            raise ClusterError(f"the cluster has had no worker for {NO_WORKER} s; start one "
                               "(dask worker, with the same TLS files)") from None
        for worker, found in client.run(describe, confined, on_error="return").items():
            if isinstance(found, SandboxUnavailable):
                raise SandboxUnavailable(f"the worker {worker} cannot isolate students' code: {found}")
            if isinstance(found, BaseException):
                raise ClusterError(f"the worker {worker} does not run lstmlab as it is here: "
                                   f"{type(found).__name__}: {found}")
            require_same(found, worker)

    def grade(self, tasks: Iterable[tuple[object, Task]], alone: bool = False) -> Iterator[tuple]:
        """Grade tasks as workers become free.

        Parameters
        ----------
        tasks : iterable of (object, Task)
            What it is known by here, and what the worker is told. No more are taken than are worked on.
        alone : bool, optional
            One after the other, with nothing else in flight.

        Yields
        ------
        (object, Graded or Exception)
            In the order in which they are done; an exception where there is no result.

        Raises
        ------
        ClusterError
            If the cluster is lost, or a new worker would not give the marks that this process gives.
        """
        tasks, waiting = iter(tasks), {}
        try:
            while True:
                room = 1 if alone else max(1, AHEAD * len(self.client.nthreads()))
                for key, task in islice(tasks, max(0, room - len(waiting))):
                    waiting[self._submit(task)] = key, task.release
                if not waiting:
                    return
                for future in self._done(waiting):
                    key, release = waiting.pop(future)
                    yield key, self._result(future, release)
        finally:
            with contextlib.suppress(Exception):                   # the cluster may be the one that is gone
                self.client.cancel(list(waiting), force=True)

    def _submit(self, task: Task):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            return self.client.submit(work, description(), task, pure=False)

    def _done(self, futures: dict) -> set:
        """Wait for the next result."""
        from distributed import wait

        last = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError), self.client.as_current():
                return wait(list(futures), timeout=5, return_when="FIRST_COMPLETED").done
            if self.client.status != "running":
                raise ClusterError("the connection to the cluster was lost")
            if self.client.nthreads():
                last = time.monotonic()
            elif time.monotonic() - last > NO_WORKER:
                raise ClusterError(f"the cluster has had no worker for {NO_WORKER} s")

    def _result(self, future, release: Release) -> Graded | Exception:
        try:
            return unpack(future.result(), release)
        except ClusterError:
            raise
        except Exception as error:
            if self.client.status != "running":
                raise ClusterError("the connection to the cluster was lost") from None
            return error
        finally:
            future.release()                                       # or it is graded anew if its worker ends


@contextlib.contextmanager
def local_cluster(workers: int, confined: bool) -> Iterator[Cluster]:
    """Worker processes on this machine, reached by TLS with credentials that live as long as they do.

    A stranger on the loopback interface could otherwise run code as the grader. Nothing else is served.
    """
    import dask
    from distributed import Client, LocalCluster

    # A worker that ended is started anew by its nanny, whom Dask would send home after some seconds without it.
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1 day",
                "distributed.worker.preload": [__name__],
                "distributed.scheduler.http.routes": [], "distributed.worker.http.routes": [], **FORGETFUL}
    with (dask.config.set(settings), tempfile.TemporaryDirectory(prefix="lstmlab-") as scratch,
          LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, security=True, memory_limit=0,
                       dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, local_directory=scratch,
                       silence_logs=logging.CRITICAL) as cluster,
          Client(cluster, set_as_default=False) as client):
        yield Cluster(client, confined)


@contextlib.contextmanager
def remote_cluster(address: str, files: dict[str, Path | None], confined: bool) -> Iterator[Cluster]:
    """Connect to a Dask scheduler by TLS.

    Parameters
    ----------
    address : str
        ``tls://host:port``.
    files : dict of Path
        ``ca-file`` (whom to trust), ``cert`` and ``key`` (who we are), as PEM files.
    confined : bool
        Whether the workers must be able to isolate.

    Raises
    ------
    ClusterError
        If the address is not one of TLS, a file is missing, or no scheduler answers.
    """
    import dask
    from distributed import Client
    from distributed.security import Security

    require_tls(address, files)
    security = Security(tls_ca_file=str(files["ca-file"]), tls_client_cert=str(files["cert"]),
                        tls_client_key=str(files["key"]), require_encryption=True)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        with dask.config.set(FORGETFUL):
            client = Client(address, security=security, timeout=30, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers by TLS at {address} with these files: {error}") from None
    with client:
        yield Cluster(client, confined)


def require_tls(address: str, files: dict[str, Path | None]) -> None:
    """Raise a ClusterError unless the address and the files are those of a TLS connection."""
    if not _ADDRESS.fullmatch(address):
        raise ClusterError(f"the scheduler's address is {address!r}; expected tls://host:port. Whoever can reach a "
                           "scheduler without TLS can run code on it as its owner.")
    if absent := [f"--tls-{name}" for name, path in files.items() if path is None]:
        raise ClusterError("a scheduler is reached by TLS only, with the authority, our certificate and our key as "
                           f"PEM files; missing: {', '.join(absent)}")


# -- on the worker -------------------------------------------------------------------------------------

_hand = ThreadPoolExecutor(1, "grading")           # one notebook at a time, and a thread that lasts: bubblewrap dies
                                                   # with the thread that started it


def dask_setup(worker) -> None:
    """Called by Dask in a new worker process of `local_cluster`: a Ctrl-C is for the process that grades the class."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def description() -> dict[str, str]:
    """What a mark depends on beside the submission and the release: the checks, and what computes with them."""
    versions = grading.versions()
    return {"checks": grading.checks_digest()} | {name: versions[name] for name in SAME}


def describe(confined: bool) -> dict[str, str]:
    """A worker's `description`, once it has shown that it can isolate."""
    if confined:
        _hand.submit(require_sandbox).result()
    return description()


def require_same(found: dict[str, str], worker: str) -> None:
    """Raise a ClusterError unless a worker has the checks and versions that are here."""
    other = [f"{name} is {found.get(name, 'unknown')[:12]} there and {here[:12]} here"
             for name, here in description().items() if found.get(name) != here]
    if other:
        raise ClusterError(f"the worker {worker} would not give the same marks: {'; '.join(other)}. "
                           "Install the same course on every machine.")


def work(expected: dict[str, str], task: Task) -> bytes:
    """Grade one notebook, on a worker whose versions are those expected."""
    require_same(expected, "that joined now")
    if task.confined:
        _hand.submit(require_sandbox).result()
    return pack(_hand.submit(task.grade).result())


def pack(graded: Graded) -> bytes:
    """A result as bytes; the release stays out, the parent has it."""
    marks = [asdict(mark) | {"answers": mark.answers and base64.b64encode(mark.answers).decode()}
             for mark in graded.marks]
    fields = {"notebook": graded.notebook, "marks": marks, "status": graded.status, "reason": graded.reason,
              "notes": graded.notes, "unanswered": sorted(graded.unanswered), "digest": graded.digest,
              "seconds": graded.seconds, "versions": graded.versions, "late": graded.late}
    return zlib.compress(json.dumps(fields).encode())


def unpack(packed: bytes, release: Release) -> Graded:
    """The result that `pack` wrote."""
    fields = json.loads(zlib.decompress(packed))
    marks = tuple(Mark(**mark | {"answers": mark["answers"] and base64.b64decode(mark["answers"]),
                                 "mistakes": tuple(mark["mistakes"]), "parts": tuple(map(tuple, mark["parts"]))})
                  for mark in fields["marks"])
    return Graded(**fields | {"release": release, "notebook": nbformat.from_dict(fields["notebook"]), "marks": marks,
                              "notes": tuple(fields["notes"]), "unanswered": frozenset(fields["unanswered"])})
