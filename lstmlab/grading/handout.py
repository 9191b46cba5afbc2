"""What students get: the released notebooks, and one archive with all they need to work on them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.apps.api import NbGraderAPI

from lstmlab import __version__

from .backup import back_up
from .course import CourseError, open_course
from .realign import realign
from .runtime import PACKAGE

ARCHIVE = Path("_build", "lstmlab-student.zip")
WHEEL = f"lstmlab-{__version__}-py3-none-any.whl"
README = Path(__file__).with_name("student-readme.md")
# Of grading students get what `lstmlab check` runs; the rest needs nbgrader and a gradebook.
STUDENTS_GRADING = ("__init__.py", "grade.py", "isolation.py", "local.py", "nursery.py", "outputs.py", "release.py",
                    "runtime.py", "sandbox.py", "slots.py", "submission.py", "syscalls.py", "inside")
LIBRARIES = ("numpy", "matplotlib", "ipython", "jupyterlab")
_DAY_ONE = (1980, 1, 1, 0, 0, 0)                        # the earliest time that a zip file can hold


def release(root: Path, started: Callable[[str], None] = lambda words: None) -> list[str]:
    """Make ``exercises/`` from ``solutions/``, and enter every problem set into the gradebook.

    Where students have submitted already, the gradebook follows what has changed, and keeps their manual marks.

    Parameters
    ----------
    root : Path
        The course's top folder.
    started : callable, optional
        Called with a line of what is done.

    Returns
    -------
    list of str
        The problem sets.

    Raises
    ------
    CourseError
        If one cannot be released; the message holds what nbgrader said.
    """
    course = open_course(root)
    back_up(course)
    sets = sorted(path.name for path in (root / course.directories.source_directory).iterdir() if path.is_dir())
    secrets = course.private                            # the gradebook's folder is there before the gradebook is
    with contextlib.chdir(root), own_tools():
        api = NbGraderAPI(course.directories, config=course.config)
        for name in sets:
            started(f"releasing {name}")
            with course.lock(), course.gradebook() as gradebook:
                sources = sorted((root / course.directories.source_directory / name).glob("*.ipynb"))
                for line in realign(gradebook, name, sources):
                    started(line)
            done = api.generate_assignment(name, force=True)
            if not done["success"]:
                raise CourseError(f"{name} was not released:\n{done.get('log', '')}\n{done.get('error', '')}")
    for gradebook in secrets.glob("*.db"):
        gradebook.chmod(0o600)
    return sets


@contextlib.contextmanager
def own_tools() -> Iterator[None]:
    """Let nbgrader find the tools it calls by name, which lie beside the interpreter."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def pack(root: Path) -> Path:
    """Write the students' archive; the same course gives the same bytes.

    Parameters
    ----------
    root : Path
        The course's top folder, with its problem sets released.

    Returns
    -------
    Path
        Of the archive.
    """
    notebooks = {f"exercises/{path.parent.name}/{path.name}": path.read_bytes()
                 for path in (root / "exercises").glob("*/*") if path.is_file()}
    files = {"README.md": README.read_bytes(), "requirements.txt": requirements(root).encode(), WHEEL: wheel(root),
             **notebooks}
    path = root / ARCHIVE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zipped({f"lstmlab-student/{name}": data for name, data in files.items()}))
    return path


def requirements(root: Path) -> str:
    """The students' requirements: the versions with which marks are formed, and the package beside them."""
    pins = dict(re.findall(r"^([\w-]+)(==\S+)", (root / "requirements.txt").read_text(), re.MULTILINE))
    lines = [f"{name}{pins[name]}" for name in LIBRARIES]
    return "\n".join([*lines, f"./{WHEEL}", "", "# Problem set 8 needs torch as well; take the next line's # away:",
                      f"# torch{pins['torch']}", ""])


# -- the package as a wheel ----------------------------------------------------------------------------


def wheel(root: Path) -> bytes:
    """The students' part of the package, ready to be installed without building anything."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = f"lstmlab-{__version__}.dist-info"
    scripts = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    files = {f"lstmlab/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in package_files()}
    files |= {
        f"{info}/METADATA": metadata(project).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: lstmlab release\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}".encode(),
        f"{info}/licenses/LICENSE": (root / "LICENSE").read_bytes(),
    }
    record = [f"{name},sha256={digest(data)},{len(data)}\n" for name, data in sorted(files.items())]
    return zipped(files | {f"{info}/RECORD": "".join([*record, f"{info}/RECORD,,\n"]).encode()})


def package_files() -> list[Path]:
    """The files of the package that students get."""
    def theirs(path: Path) -> bool:
        parts = path.relative_to(PACKAGE).parts
        return "__pycache__" not in parts and (parts[0] != "grading" or parts[1] in STUDENTS_GRADING)

    return [path for path in PACKAGE.rglob("*") if path.is_file() and theirs(path)]


def metadata(project: dict) -> str:
    """The wheel's core metadata."""
    return "\n".join(["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {__version__}",
                      f"Summary: {project['description']}", f"License-Expression: {project['license']}",
                      "License-File: LICENSE", f"Requires-Python: {project['requires-python']}",
                      *(f"Requires-Dist: {name}" for name in project["dependencies"]), ""])


def digest(data: bytes) -> str:
    """A hash as a wheel's RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip file of these, with nothing in it that depends on when, where or by which zlib it was made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DAY_ONE)
            entry.create_system = 3                     # Unix, wherever it is packed
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
