"""Processes that were started together: which one this is, and where they meet.

torchrun, srun and mpirun start the same command many times and tell each process its place by the
environment. Whoever asks here reads nothing else.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = ["Launch", "engine", "is_launchers_store", "launch", "met"]

MEET = timedelta(minutes=5)
"""How long they wait for one another at the start."""


@dataclass(frozen=True)
class Launch:
    """A process's place among those that were started together.

    Args:
        rank, world_size: among all.
        local_rank, local_world_size: among those on this host, which share its devices.
        launcher: who started them: torchrun, srun, mpirun, or nobody.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    launcher: str = "nobody"

    @property
    def is_leader(self) -> bool:
        """Whether this is the process that alone writes and prints."""
        return self.rank == 0


_NAMES = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    "mpirun": (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    # SLURM_STEP_* are those of srun: within a batch script SLURM_NTASKS alone starts nothing.
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
}


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """What the launcher said of this process; one process alone if there was none.

    Raises:
        ValueError: what it said cannot be; names the variable.
    """
    for launcher, names in _NAMES.items():
        if names[0] in environment and names[1] in environment:
            values = [environment.get(name, "") for name in names]
            values[3] = values[3].partition("(")[0].partition(",")[0]
            return _placed(launcher, dict(zip(names, values, strict=True)))
    return Launch()


def _placed(launcher: str, said: Mapping[str, str]) -> Launch:
    for name, value in said.items():
        if value and not value.isdigit():
            raise ValueError(f"{name}: got {value!r} of {launcher}, expected a number; unset it")
    rank, world_size, local_rank, local_world_size = (
        int(value or default) for value, default in zip(said.values(), (0, 1, 0, 1), strict=True)
    )
    if rank >= max(world_size, 1):
        names = list(said)
        raise ValueError(
            f"{names[0]}: {rank} of {launcher} is none of {names[1]}={world_size}; unset both, or "
            "start the processes by the launcher"
        )
    if world_size <= 1:
        return Launch(launcher=launcher)
    return Launch(rank, world_size, local_rank, local_world_size, launcher)


def met(me: Launch) -> Any:
    """A connection to the store where all meet; under torchrun that is its own."""
    from torch._C._distributed_c10d import TCPStore
    from torch.distributed.distributed_c10d import PrefixStore

    address, port = _meeting_point(os.environ)
    serves = me.is_leader and not is_launchers_store()
    try:
        socket.getaddrinfo(address, port)  # of a name that is not known, TCPStore makes ten minutes
        store = TCPStore(address, port, me.world_size, serves, MEET, multi_tenant=True)
    except (RuntimeError, socket.gaierror) as error:
        raise OSError(
            f"rank {me.rank} of {me.world_size} cannot meet the others at {address}:{port} "
            f"({str(error).partition(chr(10))[0]}); set MASTER_ADDR to the first node's address, "
            "and MASTER_PORT to a free port of it"
        ) from None
    # A job that torchrun starts again finds what the last one said.
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"axialcast/{again}", store)


def engine(me: Launch, store: Any) -> str:
    """What moves tensors: NCCL those on GPUs, if each process has one of its own."""
    import torch

    mine = ""
    if torch.cuda.is_available():
        number = me.local_rank % torch.cuda.device_count()
        mine = f"{socket.gethostname()} {torch.cuda.get_device_properties(number).uuid}"
    store.set(f"gpus/{me.rank}", mine)
    gpus = [store.get(f"gpus/{rank}") for rank in range(me.world_size)]
    return "cpu:gloo,cuda:nccl" if all(gpus) and len(set(gpus)) == len(gpus) else "gloo"


def is_launchers_store() -> bool:
    """Whether the store is torchrun's, and outlives this process."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _meeting_point(environment: Mapping[str, str]) -> tuple[str, int]:
    """Address and port where rank 0 listens."""
    job = int(environment.get("SLURM_JOB_ID", 0)) * 7 + int(environment.get("SLURM_STEP_ID", 0))
    port = int(environment.get("MASTER_PORT", 20_000 + job % 10_000))
    address = environment.get("MASTER_ADDR")
    if address is None:
        nodes = environment.get("SLURM_STEP_NODELIST", "")
        alone = environment.get("SLURM_STEP_NUM_NODES", "1") == "1"
        address = "127.0.0.1" if alone else _first_host(nodes)
    return address, port


def _first_host(nodes: str) -> str:
    """The first of the hosts in Slurm's short form, as `n[03-07,9],m1`."""
    name, bracket, rest = nodes.partition("[")
    if not bracket or "," in name:
        return name.partition(",")[0]
    first = rest.partition("]")[0].partition(",")[0].partition("-")[0]
    return name + first + rest.partition("]")[2].partition(",")[0]
