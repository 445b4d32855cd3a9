"""A real Slurm of virtual nodes, all of them this machine, which talk by the loopback alone."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NODES = 3
DAEMONS = ("slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
KillWait=3
Waittime=0
JobRequeue=1
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2 Boards=1 \
SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a Slurm that runs as long as the tests; its clients and jobs find it."""
    absent = [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=PLACES) is None]
    if absent:
        pytest.skip(
            f"no {', '.join(absent)} here; on Debian: apt-get install slurmctld slurmd slurm-client"
        )
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch, _daemons(folder):
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("OMP_NUM_THREADS", "1")
        _wait_for_nodes(folder)
        yield folder
        subprocess.run(["scancel", "--quiet", f"--user={os.getuid()}"], check=False)
        wait_until(lambda: not squeue(), seconds=20)


@contextmanager
def _daemons(folder: Path) -> Iterator[None]:
    """Starts them, and ends them by the files that say their process numbers."""
    for name in ("state", "spool", "log", "run"):
        (folder / name).mkdir()
    port, user = _free_ports(NODES + 1), subprocess.check_output(["id", "-un"], text=True).strip()
    numbers = {"port": port, "first": port + 1, "last": port + NODES, "nodes": NODES}
    host = socket.gethostname().partition(".")[0]
    text = CONFIG.format(host=host, user=user, folder=folder, **numbers)
    (folder / "slurm.conf").write_text(text)
    try:
        for daemon in ("slurmctld", *(f"slurmd -N n{n}" for n in range(1, NODES + 1))):
            name, *options = daemon.split()
            program = shutil.which(name, path=PLACES)
            assert program is not None
            subprocess.run([program, "-f", folder / "slurm.conf", *options], check=True, timeout=20)
        yield
    finally:
        for path in (folder / "run").glob("*.pid"):
            _end(path)


def _end(path: Path) -> None:
    """Ends the process that a file names, and waits until it has."""
    with suppress(ValueError, ProcessLookupError, FileNotFoundError):
        number = int(path.read_text())
        os.kill(number, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.1)
            os.kill(number, 0)
        os.kill(number, signal.SIGKILL)


def _wait_for_nodes(folder: Path) -> None:
    idle = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
    try:
        wait_until(lambda: len(subprocess.check_output(idle).split()) == NODES, seconds=30)
    except TimeoutError:
        logs = "".join(path.read_text()[-2000:] for path in (folder / "log").iterdir())
        pytest.fail(f"the virtual nodes did not come up:\n{logs}")


def _free_ports(number: int) -> int:
    """The first of that many ports in a row that nobody has."""
    for first in range(21_000, 30_000, number):
        with suppress(OSError):
            for port in range(first, first + number):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", port))
            return first
    raise OSError("no free ports")


@pytest.fixture(scope="session", name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Waits until something holds; raises TimeoutError where it takes too long."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def squeue() -> list[str]:
    """Numbers of the jobs that wait or run."""
    return subprocess.check_output(["squeue", "--noheader", "--format=%i"], text=True).split()


@pytest.fixture(scope="session")
def axialcast() -> Callable[..., str]:
    """A function that calls the command in a folder; what it printed."""

    def call(folder: Path, *arguments: str, status: int = 0, seconds: float = 120) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "axialcast", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


@pytest.fixture
def submit(slurm: Path, axialcast: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """A function that submits a config of a folder; numbers of the jobs by their names."""

    def call(folder: Path, *overrides: str) -> dict[str, str]:
        said = axialcast(folder, "submit", "x.yaml", *overrides)
        return dict(re.findall(r"^(\S+): job (\d+)", said, re.MULTILINE))

    return call


@pytest.fixture
def ended(slurm: Path) -> Callable[..., None]:
    """A function that waits until no job waits or runs any more, and shows logs if that fails."""

    def wait(folder: Path, seconds: float = 90) -> None:
        try:
            wait_until(lambda: not squeue(), seconds)
        except TimeoutError:
            shown = subprocess.run(["squeue", "--long"], capture_output=True, text=True).stdout
            logs = "".join(
                f"{path}:\n{path.read_text()[-2000:]}\n" for path in folder.glob("**/logs/*.log")
            )
            pytest.fail(f"jobs did not end:\n{shown}\n{logs}")

    return wait
