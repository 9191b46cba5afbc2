"""What is inside the sandbox: an interpreter, the libraries a student may use, the runner, and bubblewrap around it.

No reference and no verdict is among it, and nothing is copied: what is inside is bound read-only from where it lies.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = ("numpy", "matplotlib", "ipython")          # and what they need: all that every notebook can import
STAGE = "/course/stage"
SITE = "/course/libraries"
SCRATCH = 32 * 2**20                                    # bytes that the nursery itself may write
HOW_TO_ENABLE = (
    "Grading runs students' code only in isolation. It needs Linux 5.9 or newer, bubblewrap, setpriv and libseccomp "
    "(apt-get install bubblewrap util-linux libseccomp2), pyseccomp (pip install pyseccomp)\n"
    "and user namespaces that may be nested (sysctl user.max_user_namespaces must not be 0; on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, CAP_SYS_ADMIN or the leave to unshare)."
)
ENVIRONMENT = {
    "HOME": "/tmp/home", "PATH": "/usr/bin", "LANG": "C.UTF-8", "MPLCONFIGDIR": "/tmp/home",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1", "IPYTHONDIR": "/tmp/home", "PYTHONHASHSEED": "0",
}


class SandboxUnavailable(RuntimeError):
    """This machine cannot isolate a student's code; the message says what to do about it."""


def staged() -> dict[str, Path]:
    """The student's side of lstmlab, by its place inside: the runner, probes, figures and tasks."""
    found = {"inside": PACKAGE / "grading" / "inside",
             "lstmlab/__init__.py": PACKAGE / "grading" / "inside" / "lstmlab_inside.py"}
    found |= {f"lstmlab/checks/{name}": PACKAGE / "checks" / name for name in ("probe.py", "wire.py")}
    return found | {f"lstmlab/{room}": PACKAGE / room for room in ("figures", "tasks")}


def stage_package(where: Path) -> None:
    """Copy the student's side of lstmlab, for a runner that is not confined."""
    for target, source in staged().items():
        if source.is_dir():
            shutil.copytree(source, where / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (where / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, where / target)


@functools.cache
def library_paths(extra: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """Files and folders in site-packages that belong to `LIBRARIES`, to the `extra` ones and to what they require."""
    found, wanted = {}, [*LIBRARIES, *extra]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue                                              # an optional or another platform's requirement
        found[name] = {Path(distribution.locate_file(f.parts[0])) for f in distribution.files or ()
                       if f.parts[0] not in ("..", "__pycache__")}
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                wanted.append(re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower())
    return tuple(sorted(path for paths in found.values() for path in paths if path.exists()))


def interpreter_paths() -> tuple[Path, ...]:
    """The interpreter, its standard library, and the system's shared libraries and tools."""
    base = Path(sys.base_prefix)
    own = [Path(os.path.realpath(sys.executable)), Path(sysconfig.get_path("stdlib"))]
    # conda keeps what its interpreter and its libraries are linked with beside them, all of it
    own += (base / "lib").glob("*.so*" if (base / "conda-meta").is_dir() else "libpython*")
    system = [Path(p) for p in ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/lib32", "/etc/ld.so.cache")]
    return tuple(dict.fromkeys(p for p in (*own, *system) if p.exists()))


def confinement(libraries: tuple[str, ...], user: int | None) -> list[str]:
    """The command that runs the nursery in bubblewrap, but for its last argument, the control socket.

    Parameters
    ----------
    libraries : tuple of str
        What can be imported beside `LIBRARIES`.
    user : int or None
        The unprivileged user that a root grader becomes; None for a grader that is not root.

    Returns
    -------
    list of str
    """
    binds = [(path, str(path)) for path in interpreter_paths()]
    binds += [(path, f"{SITE}/{path.name}") for path in library_paths(libraries)]
    binds += [(path, f"{STAGE}/{target}") for target, path in staged().items()]
    outer: list[str] = []
    if user is not None:
        outer, binds = drop_privileges(binds, user)
    isolate = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--die-with-parent",
               "--new-session", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--hostname", "notebook",
               "--clearenv"]
    for name, value in ENVIRONMENT.items():
        isolate += ["--setenv", name, value]
    for source, target in binds:
        isolate += ["--ro-bind", str(source), target]
    stdlib_site = Path(sysconfig.get_path("stdlib")) / "site-packages"
    if stdlib_site.exists():
        isolate += ["--tmpfs", str(stdlib_site), "--remount-ro", str(stdlib_site)]
    for link in ("bin", "lib", "lib64", "lib32"):
        isolate += ["--symlink", f"usr/{link}", f"/{link}"]
    isolate += ["--proc", "/proc", *devices(), "--size", str(SCRATCH), "--tmpfs", "/tmp", "--dir", "/tmp/home",
                "--remount-ro", "/", "--chdir", "/tmp/home", "--"]
    # of -I, all but -E: the environment is the one above
    begin = f"import sys; sys.path[:0] = {[STAGE, SITE]!r}; from inside import nursery; nursery.main(*sys.argv[1:])"
    python = [os.path.realpath(sys.executable), "-P", "-s", "-S", "-B", "-c", begin]
    return [*outer, *isolate, *python]


def devices() -> list[str]:
    """The few devices that programs expect; mapped, /dev/zero would be memory that no limit counts."""
    found = ["--tmpfs", "/dev"]
    for name in ("null", "full", "random", "urandom"):
        found += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"),
                         ("ptmx", "pts/ptmx")):
        found += ["--symlink", target, f"/dev/{name}"]
    return [*found, "--dir", "/dev/pts", "--dir", "/dev/shm", "--remount-ro", "/dev"]


def drop_privileges(binds: list, user: int) -> tuple[list[str], list]:
    """As root: put what is shared where an unprivileged user can reach it, then become that user.

    The interpreter may live under a home that only root can enter, so each source is first bound below /mnt,
    in a mount namespace of this process's own.
    """
    outer = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/mnt", "--die-with-parent"]
    moved = []
    for number, (source, target) in enumerate(binds):
        if not source.stat().st_mode & 0o004:
            raise SandboxUnavailable(f"{source} can be read by its owner alone. The sandbox runs as another user: let "
                                     f"others read what it runs (chmod -R go+rX {source}), or grade as its owner.")
        outer += ["--ro-bind", str(source), f"/mnt/{number}"]
        moved.append((f"/mnt/{number}", target))
    become = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--pdeathsig", "KILL", "--"]
    return [*outer, "--", *become], moved
