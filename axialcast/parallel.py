"""Several processes of one run: what they tell one another.

They exchange JSON and tensors; nothing is pickled.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from axialcast.heartbeats import Ended, Heartbeats
from axialcast.meeting import Launch, engine, is_launchers_store, launch, met

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
PATIENCE = 0.25
"""Seconds between two looks of a process that waits for the leader."""


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

    stores = [met(me) for _ in range(3)]
    _was_joined = True
    dist.init_process_group(
        engine(me, stores[0]),
        store=PrefixStore("group", stores[0]),
        rank=me.rank,
        world_size=me.world_size,
        timeout=WAIT,
    )
    holds_store = me.is_leader and not is_launchers_store()
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
