"""What a training takes of each device: memory, messages, reading; and what batch would fit."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from axialcast.data import Channels
from axialcast.device import autocast
from axialcast.grid import Grid
from axialcast.model import ForecastNetwork
from axialcast.model.footprint import Footprint, timed_step, training_footprint
from axialcast.run.config import Config
from axialcast.run.model_section import AxialConfig, ViTConfig
from axialcast.run.network import network_of

__all__ = ["TrainingCosts"]

LIVE_COPIES = 4
"""Of a band's tokens: what an exchange of rows holds beside them, sent and received."""
FEW = 4
"""Windows, layers and rollout steps that a step is counted with; more add what these differ by."""
MOST_FLOATS = 40
"""Of each feature of a token that a layer keeps, at most, its perceptron apart."""


@dataclass(frozen=True)
class TrainingCosts:
    """A training as a config has it, on a number of processes.

    Args:
        config: of the run.
        channels: (c,) of the states, with their roles.
        grid: (h, w) of the states.
        masked: whether values may be missing.
        bfloat16: whether the network computes in it.
        world_size: processes.
    """

    config: Config
    channels: Channels
    grid: Grid
    masked: bool = False
    bfloat16: bool = False
    world_size: int = 1

    @property
    def data_ranks(self) -> int:
        return max(1, self.world_size // self.config.train.domain_ranks)

    @property
    def windows(self) -> int:
        """Windows that a process has in work at once, at most."""
        train = self.config.train
        own = -(-train.batch_size // self.data_ranks)
        return -(-own // train.accumulate)

    @property
    def members(self) -> int:
        """That each window is forecast by."""
        return self.config.train.loss.samples if self.config.model.noise else 1

    @property
    def rollout_steps(self) -> int:
        return max(stage.rollout_steps for stage in self.config.train.schedule)

    @cached_property
    def memory(self) -> dict[str, float]:
        """Bytes on each device, by what they are for."""
        return self._memory(self.windows)

    @property
    def peak(self) -> float:
        return sum(self.memory.values())

    @property
    def rough_bytes(self) -> float:
        """More than `peak`, from sizes alone; of bodies that these do not tell of, any number."""
        model = self.config.model
        if not isinstance(model, AxialConfig):
            return math.inf
        layers = 2 if model.reversible else model.depth
        tokens = self.windows * self.members * self._tokens(self._band.shape[0])
        token = 4 * model.dim * (MOST_FLOATS + 4 * model.mlp_ratio) * layers
        states = self._input_steps + self.rollout_steps
        cells = (
            self.windows * self.members * states * len(self.channels) * math.prod(self.grid.shape)
        )
        weights = 4 * model.depth * model.dim**2 * (12 + 2 * model.mlp_ratio)
        return 6 * weights + self.rollout_steps * tokens * token + 40 * cells

    def largest_windows(self, room: float) -> int:
        """Windows at once that fit into so many bytes; 0: not even one."""
        one, two = (sum(self._memory(count).values()) for count in (1, 2))
        if one > room:
            return 0
        return 1 + int((room - one) / max(two - one, 1.0))

    @property
    def least_bytes(self) -> float:
        """What one window at a time takes."""
        return sum(self._memory(1).values())

    def smaller(self, windows: int) -> str:
        """What makes a training of so many windows at once smaller, the most useful first."""
        train, model = self.config.train, self.config.model
        ways = [] if getattr(model, "reversible", True) else ["set model.reversible: true"]
        if windows > 1:
            ways.append("choose a larger train.accumulate or a smaller train.batch_size")
        has_patches = isinstance(model, AxialConfig | ViTConfig)
        ways.append(f"choose {'a larger model.patch or ' if has_patches else ''}a smaller model")
        if self.world_size > 1 and train.parallel != "fsdp":
            ways.append("set train.parallel: fsdp")
        if model.kind == "axial":
            ways.append("start more processes and raise train.domain_ranks")
        if len(ways) == 1:
            return ways[0]
        return f"{', '.join(ways[:-1])}, or {ways[-1]}"

    def largest_batch(self, room: float) -> int:
        """`train.batch_size` that fits, with as many parts on as many processes."""
        return self.largest_windows(room) * self.data_ranks * self.config.train.accumulate

    def reduced_bytes(self) -> float:
        """What each process sends in a step to add up the gradients, in a ring (Patarasuk & Yuan
        2009): 2 (n - 1) / n of them; fsdp gathers the weights twice and gives gradients away once,
        in every part of a batch."""
        share = (self.world_size - 1) / self.world_size
        rounds = 3 * self.config.train.accumulate if self.config.train.parallel == "fsdp" else 2
        return rounds * share * self._footprint.parameters

    def exchanged_bytes(self) -> float:
        """What each process sends in a step to share an axis: the formula of `axialcast.nn.domain`,
        of all layers and rollout steps and all of its windows."""
        train, model = self.config.train, self.config.model
        if not isinstance(model, AxialConfig):
            return 0.0
        count = train.domain_ranks
        windows = self.windows * self.members * train.accumulate
        tokens = self._tokens(self.grid.shape[0]) * windows
        rounds = 6 if model.reversible else 4
        size = 2 if self.bfloat16 else 4
        layers = model.depth * self.rollout_steps
        return rounds * (count - 1) / count**2 * tokens * model.dim * size * layers

    def read_bytes(self) -> float:
        """Decoded states that a step uses, on all processes together."""
        states = self._input_steps + self.rollout_steps
        height, width = self.grid.shape
        return 4.0 * self.config.train.batch_size * states * len(self.channels) * height * width

    def step_seconds(self, device: torch.device, count: int = 3) -> float:
        """Median time of a few steps on windows of zeros, of this process's part, on a device."""
        network = self._network(self._depth).to(device)
        states = self._input_steps + self.rollout_steps
        shape = (self.windows * self.members, states, len(self.channels), *self._band.shape)
        return (
            timed_step(
                network,
                torch.zeros(shape, device=device),
                input_steps=self._input_steps,
                context=lambda: autocast(device, self.config.train.precision),
                count=count,
            )
            * self.config.train.accumulate
        )

    def _memory(self, windows: int) -> dict[str, float]:
        found = self._counted(windows)
        count = self.world_size if self.config.train.parallel == "fsdp" else 1
        # Weights, AdamW's two moments, the averaged weights and the best of these; gradients are
        # in `working`.
        copies = 5 if self.config.train.keep == "best" else 4
        kept = copies * found.parameters / count
        working = found.working
        if count > 1:
            # Of its gradients a process keeps its part; two blocks and the rest are whole at once.
            working -= found.parameters * (1 - 1 / count)
            working += 3 * found.largest_block + 2 * found.rest
        model = self.config.model
        if self.config.train.domain_ranks > 1 and isinstance(model, AxialConfig):
            size = 2 if self.bfloat16 else 4
            tokens = windows * self.members * self._tokens(self._band.shape[0])
            working += LIVE_COPIES * tokens * model.dim * size
        return {"weights and optimizer": kept, "gradients, activations and batch": working}

    @cached_property
    def _footprint(self) -> Footprint:
        return self._counted(self.windows)

    def _counted(self, windows: int) -> Footprint:
        """Of so many windows; many of them, of layers or steps by few, and what one more adds."""
        depth, steps = self._depth, self.rollout_steps

        def of(batch: int, layers: int, rollout_steps: int) -> Footprint:
            states = self._input_steps + rollout_steps
            return training_footprint(
                lambda: self._network(layers),
                (batch * self.members, states, len(self.channels), *self._band.shape),
                input_steps=self._input_steps,
                masked=self.masked,
                bfloat16=self.bfloat16,
                is_own=self.config.model.kind == "file",
            )

        def over_steps(batch: int, layers: int) -> Footprint:
            return _extended(lambda count: of(batch, layers, count), steps)

        def over_layers(batch: int) -> Footprint:
            return _extended(lambda count: over_steps(batch, count), depth)

        return _extended(over_layers, windows)

    @property
    def _depth(self) -> int:
        """Layers that are all alike; 1: the network is one."""
        model = self.config.model
        return model.depth if isinstance(model, AxialConfig | ViTConfig) else 1

    def _network(self, depth: int) -> ForecastNetwork:
        changes: dict[str, Any] = {"depth": depth} if depth != self._depth else {}
        return network_of(self.config, self.channels, self._band, **changes)

    @property
    def _input_steps(self) -> int:
        assert self.config.data is not None
        return self.config.data.input_steps

    @cached_property
    def _band(self) -> Grid:
        """What a process has of the grid: the widest band of latitudes."""
        count, patch = self.config.train.domain_ranks, self.config.model.patching[1]
        if count == 1:
            return self.grid
        rows = -(-self.grid.shape[0] // patch)
        return self.grid.part(slice(-(-rows // count) * patch), slice(None))

    def _tokens(self, height: int) -> int:
        """Of a window, of so many latitudes."""
        t, p, q = self.config.model.patching
        return self._input_steps // t * -(-height // p) * -(-self.grid.shape[1] // q)


def _extended(of: Callable[[int], Footprint], count: int) -> Footprint:
    """What `of` tells of a count: of a large one by a straight line through two smaller ones."""
    if count <= FEW:
        return of(count)
    low, high = of(FEW - 1), of(FEW)
    more = count - FEW
    known: dict[str, Any] = {
        name: value + more * (value - getattr(low, name)) for name, value in vars(high).items()
    }
    return replace(high, **known)
