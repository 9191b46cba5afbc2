"""A PostgreSQL server for the tests that need one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa


def program(name):
    """A program of the server's; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, f"{name} was not found; on Debian: apt-get install postgresql"
    return str(found[-1])


@pytest.fixture(scope="session")
def server():
    """A server of this test's own, on a socket in a folder of its own: its address, without a database."""
    folder = Path(tempfile.mkdtemp(prefix="lstmlab-postgresql-"))  # short: the name of a socket is
    drop = []
    if os.geteuid() == 0:                                          # it refuses to run as root
        shutil.chown(folder, "nobody", "nogroup")
        drop = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]

    def do(*command):
        done = subprocess.run([*drop, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    try:
        do(program("initdb"), "-D", data, "-U", "grader", "-A", "trust", "-E", "UTF8", "--no-sync")
        do(program("pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o",
           f"-k {folder} -c listen_addresses='' -c fsync=off", "start")
        try:
            yield f"postgresql://grader@/{{}}?host={folder}"
        finally:
            do(program("pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def create(server):
    """Make a database by name, empty or as a copy of another; the function returns its address."""
    def make(name, template="template1"):
        engine = sa.create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return server.format(name)

    return make
