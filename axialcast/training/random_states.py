"""Random numbers of each process: drawn from states of its own, and gone on with from there."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from axialcast import parallel

__all__ = ["member_seed", "random_states", "seed_rank", "set_random_states"]


def member_seed(seed: int, member: int) -> int:
    """Seed of one of several networks that are trained of one config; of the first, the config's.

    Members are a thousand apart, so that runs of neighbouring seeds have none in common.
    """
    return (seed + 1000 * member) % 2**32


def seed_rank(seed: int) -> None:
    """Begins the random numbers of this process, those of its dropout; the leader's go on.

    Networks are built before, from the same numbers on every process.
    """
    rank = parallel.launch().rank
    if rank:
        torch.manual_seed(int(np.random.SeedSequence([seed, rank]).generate_state(1)[0]))


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the generators of every process, by name: `random.cpu` is the leader's.

    Every process calls it.
    """
    mine = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        mine["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        mine["mps"] = torch.mps.get_rng_state()
    states: dict[str, Tensor] = {}
    for kind, state in mine.items():
        for rank, value in enumerate(_gathered(state)):
            states[_name(kind, rank)] = value
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Gives this process its states back; those of a kind of device that it is not on stay.

    A process that has none among them, for there were fewer, goes on with those it began with.
    """
    rank = parallel.launch().rank
    own = {kind: states.get(_name(kind, rank)) for kind in ("cpu", device.type)}
    for kind, state in own.items():
        if state is None:
            continue
        match kind:
            case "cpu":
                torch.set_rng_state(state)
            case "cuda":
                torch.cuda.set_rng_state(state, device)
            case "mps":
                torch.mps.set_rng_state(state)


def _name(kind: str, rank: int) -> str:
    return f"random.{kind}.{rank}" if rank else f"random.{kind}"


def _gathered(state: Tensor) -> list[Tensor]:
    if not parallel.is_joined():
        return [state]
    states = [torch.empty_like(state) for _ in range(parallel.launch().world_size)]
    dist.all_gather(states, state)
    return states
