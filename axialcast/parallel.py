"""Several processes of one run: which one this is, and what they tell one another.

torchrun, srun and mpirun start the same command many times and tell each process its place by the
environment. Whoever asks here reads nothing else. Nothing is ever pickled between processes: they
exchange JSON and tensors.
"""

import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from axialcast.heartbeats import Ended, Heartbeats

__all__ = [
    "Ended",
    "Launch",
    "any_of",
    "barrier",
    "dealt",
    "gathered",
    "is_joined",
    "joined",
    "largest",
    "launch",
    "leader_first",
    "leave",
    "neighbours",
    "summed",
    "told",
    "was_joined",
]

T = TypeVar("T")

WAIT = timedelta(minutes=30)
"""How long a process waits for the others within an exchange, before it takes them for lost."""
MEET = timedelta(minutes=5)
"""How long they wait for one another at the start."""
PATIENCE = 0.25
"""Seconds between two looks of a process that waits for the leader."""


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


@contextmanager
def joined() -> Iterator[Launch]:
    """Within the context, the processes that were started together can talk; nothing for one alone.

    When one of them raises or dies, the others leave the context by `Ended`, and one of them has
    a line to say.

    Raises:
        ValueError: as `launch`.
        OSError: they do not find one another.
    """
    global _talk, _was_joined
    me = launch()
    if me.world_size == 1:
        yield me
        return
    # A connection that broke is a line of ours.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    stores = [_met(me) for _ in range(3)]
    _was_joined = True
    dist.init_process_group(
        _engine(me, stores[0]),
        store=PrefixStore("group", stores[0]),
        rank=me.rank,
        world_size=me.world_size,
        timeout=WAIT,
    )
    holds_store = me.is_leader and not _is_launchers_store()
    with Heartbeats(stores[1], me.rank, me.world_size, holds_store=holds_store) as hearts:
        _talk = _Talk(stores[2], hearts)
        try:
            yield me
            barrier()
        except BaseException as error:
            cause = hearts.cause(error)
            if cause is error:
                raise
            raise cause from None
        finally:
            _talk = None
    dist.destroy_process_group()


def is_joined() -> bool:
    """Whether there are others, and this process can talk to them."""
    return _talk is not None


def was_joined() -> bool:
    """Whether this process has ever talked to others."""
    return _was_joined


def leave(status: int) -> None:
    """Ends this process at once if it was one of several: gloo's threads may abort an exit."""
    if was_joined():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def told(value: Any) -> Any:
    """What the leader says, JSON, on every process; `value` counts on the leader alone.

    The others wait for it as long as it takes: the leader may be at work alone for hours.
    """
    if _talk is None:
        return value
    key = f"told/{_talk.count}"
    _talk.count += 1
    if launch().is_leader:
        _talk.store.set(key, json.dumps(value))
    return json.loads(_heard(key))


def _heard(key: str) -> bytes:
    """What another process says under a key, as soon as it does."""
    assert _talk is not None
    pause = 1e-4
    while not _talk.store.check([key]):
        _talk.hearts.raise_failure()
        time.sleep(pause)
        pause = min(2 * pause, PATIENCE)
    value: bytes = _talk.store.get(key)
    return value


def neighbours(count: int, kind: str) -> Any:
    """A process group of this process and those beside it, `count` in all; None: it is alone.

    Args:
        count: divides the number of processes.
        kind: of the device that they compute on, such as cpu or cuda.

    Raises:
        ValueError: as `check_own_gpus`.
    """
    if count == 1 or not is_joined():
        return None
    check_own_gpus(kind)
    from torch.distributed.device_mesh import init_device_mesh

    shape = (launch().world_size // count, count)
    return init_device_mesh(kind, shape, mesh_dim_names=("data", "domain")).get_group("domain")


def check_own_gpus(kind: str) -> None:
    """Makes sure that what is on devices of the kind can be exchanged, not only added up.

    Raises:
        ValueError: processes share a GPU.
    """
    import torch.distributed as dist

    if kind == "cuda" and "nccl" not in str(dist.get_backend_config()):
        raise ValueError(
            f"wants a GPU for each of the {launch().world_size} processes, and some share one; "
            "start as many as there are GPUs"
        )


def dealt(items: Sequence[T], together: int = 1) -> Iterator[T]:
    """Items, each to one of the processes, as they ask for them: who is faster gets more.

    Args:
        items: the same on every process.
        together: neighbours that get the same ones.
    """
    if _talk is None:
        yield from items
        return
    key, rank = f"dealt/{_talk.count}", launch().rank
    _talk.count += 1
    for turn in itertools.count():
        own = f"{key}/{rank // together}/{turn}"
        if rank % together:
            number = int(_heard(own))
        else:
            number = _talk.store.add(key, 1) - 1
            if together > 1:
                _talk.store.set(own, str(number))
        if number >= len(items):
            return
        yield items[number]


def gathered(value: Any) -> list[Any]:
    """What every process says, JSON, by rank, on every process."""
    if not is_joined():
        return [value]
    import torch
    import torch.distributed as dist

    text = json.dumps(value).encode()
    lengths = torch.zeros(launch().world_size, dtype=torch.int64)
    lengths[launch().rank] = len(text)
    dist.all_reduce(lengths)
    padded = text.ljust(int(lengths.max()))
    parts = [torch.empty(len(padded), dtype=torch.uint8) for _ in lengths]
    dist.all_gather(parts, torch.frombuffer(bytearray(padded), dtype=torch.uint8))
    return [json.loads(bytes(part.numpy())) for part in parts]


def summed(values: list[float]) -> list[float]:
    """Sums over the processes, in float64 and in order of their ranks, on every process."""
    return [sum(column) for column in zip(*gathered(values), strict=True)]


def largest(values: list[int]) -> list[int]:
    """The largest that any of the processes says, of each of some numbers, on every process."""
    if not is_joined():
        return values
    import torch
    import torch.distributed as dist

    found = torch.tensor(values)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return [int(value) for value in found]


def any_of(flag: bool) -> bool:
    """Whether any of the processes says yes, on every process."""
    return bool(largest([int(flag)])[0])


@contextmanager
def leader_first() -> Iterator[None]:
    """Within the context, the leader alone, then all others: they find what it has made."""
    if is_joined() and not launch().is_leader:
        told(None)
    yield
    if launch().is_leader:
        told(None)


def barrier() -> None:
    """Until every process has come here."""
    if is_joined():
        import torch.distributed as dist

        dist.barrier()


@dataclass
class _Talk:
    """What the processes talk by while they are joined.

    Args:
        store: one connection for this thread alone.
        hearts: whether the others live.
        count: of what the leader told so far.
    """

    store: Any
    hearts: Heartbeats
    count: int = 0


_talk: _Talk | None = None
_was_joined = False


def _met(me: Launch) -> Any:
    """A connection to the store where all meet; under torchrun that is its own."""
    from torch._C._distributed_c10d import TCPStore
    from torch.distributed.distributed_c10d import PrefixStore

    address, port = _meeting_point(os.environ)
    serves = me.is_leader and not _is_launchers_store()
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


def _engine(me: Launch, store: Any) -> str:
    """What moves tensors: NCCL those on GPUs, if each process has one of its own."""
    import torch

    mine = ""
    if torch.cuda.is_available():
        number = me.local_rank % torch.cuda.device_count()
        mine = f"{socket.gethostname()} {torch.cuda.get_device_properties(number).uuid}"
    store.set(f"gpus/{me.rank}", mine)
    gpus = [store.get(f"gpus/{rank}") for rank in range(me.world_size)]
    return "cpu:gloo,cuda:nccl" if all(gpus) and len(set(gpus)) == len(gpus) else "gloo"


def _is_launchers_store() -> bool:
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
