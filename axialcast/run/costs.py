"""What a run that passed its checks reads, and from that what it will cost: time, memory, disk."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axialcast.baselines.memory import fitted_bytes
from axialcast.cores import available_cores
from axialcast.data import Channels, States, Statistics
from axialcast.data.opening.kinds.stacked import Layout
from axialcast.data.preparing.conversion import READ_BYTES
from axialcast.data.preparing.planned import planned
from axialcast.data.preparing.shards import shards_together
from axialcast.data.reader import Analysis
from axialcast.data.transform import log_scales
from axialcast.device import choose_device, computes_in_bfloat16
from axialcast.files.atomic import readable_size
from axialcast.forecast import Checkpoint, choose_init_times
from axialcast.forecast.members import Member, members_of
from axialcast.forecast.memory import held_bytes
from axialcast.model import ForecastNetwork
from axialcast.model.footprint import forecasting_bytes
from axialcast.model.memory import installed_bytes, resident_bytes
from axialcast.names import FORCING
from axialcast.parallel import launch
from axialcast.run.config import Config, DataConfig
from axialcast.run.model_section import AxialConfig
from axialcast.run.network import network_of
from axialcast.run.parent import Parent
from axialcast.run.simulated import planet_of
from axialcast.run.training_costs import TrainingCosts
from axialcast.run.verification import verifying_gib
from axialcast.times.steps import nominal

__all__ = ["BEYOND", "Preflight"]

BEYOND = 2
"""Times this machine's memory that a stage must be estimated at to be refused: it is rough."""


@dataclass(frozen=True)
class Preflight:
    """A run that passed its checks: what it reads, and from that what it will cost.

    Args:
        config, data: the run and its data section.
        analysis: what train, forecast and verify read.
        cadence: from one of its times to the next.
        stride: times from one model state to the next.
        scanned: statistics of a part of the training period.
        parent: what training starts from.
    """

    config: Config
    data: DataConfig
    analysis: Analysis
    cadence: np.timedelta64
    stride: int
    scanned: Statistics | None = None
    parent: Parent | None = None

    @property
    def log1p(self) -> NDArray[np.float64]:
        """(c,) scales of the channels' logarithms."""
        return log_scales(self.analysis.channels, self.data.transform)

    @property
    def step(self) -> np.timedelta64:
        """From one model state to the next."""
        return self.cadence * self.stride

    def costs(self) -> list[str]:
        """Parameters, reading, writing and the memory of each stage, one line each."""
        states = self.states("train")
        num_parameters = sum(p.numel() for p in self.network().parameters())
        read = len(states) * states.bytes_per_state
        then = ", once: they are then held in memory" if states.in_memory else ""
        return [
            f"parameters: {num_parameters:,}",
            *self._network_in_words(),
            *self.memory(),
            f"read per epoch: {readable_size(read)} (decoded){then}",
            f"output: about {readable_size(self.output_bytes(num_parameters))} before compression",
        ]

    def _network_in_words(self) -> list[str]:
        """What `model.size` has decided, where it has, or what was given."""
        model = self.config.model
        if not isinstance(model, AxialConfig):
            return []
        patch = " x ".join(map(str, model.patch))
        return [f"network: dim {model.dim}, depth {model.depth}, patches of {patch}"]

    def memory(self) -> list[str]:
        """What each stage will hold, one line each."""
        stages: dict[str, tuple[str, Callable[[], dict[str, int]]]] = {
            "simulate": ("simulating", self._simulating),
            "prepare": ("preparing", self._preparing),
            "train": ("training", self._training),
            "forecast": ("forecasting", self._forecasting),
            "verify": ("verifying", self._verifying),
        }
        lines = []
        for name in self.config.pipeline:
            if name in stages:
                doing, parts_of = stages[name]
                parts = parts_of() | {"libraries": resident_bytes()}
                detail = ", ".join(f"{part} {readable_size(size)}" for part, size in parts.items())
                whole = readable_size(sum(parts.values()))
                lines.append(f"peak memory while {doing}: about {whole} ({detail})")
        return lines

    def _simulating(self) -> dict[str, int]:
        return {"a block of days": planet_of(self.config).block_bytes}

    def _preparing(self) -> dict[str, int]:
        assert self.config.prepare is not None
        at_once = self.config.cluster.cores if self.config.cluster.workers else available_cores()
        shape = self.analysis.shape
        shard = Layout.of(shape[0], shape[1] * shape[2]).shard[0]
        together = shards_together(self.analysis)
        # Of each the states, and what is encoded of them.
        parts = {
            f"shards, {at_once} at once": 2 * at_once * together * shard * self.analysis.state_bytes
        }
        if self.config.prepare.regrid or self.config.prepare.aggregate_hours:
            parts["converting"] = 2 * at_once * READ_BYTES
        return parts

    def _training(self) -> dict[str, int]:
        states = self.states("train")
        parts = {name: round(size) for name, size in self.training.memory.items()}
        # On a GPU, batches alone; on the CPU, what they are drawn from is beside them.
        return parts | {"data": min(len(states) * states.bytes_per_state, states.buffer_bytes)}

    def _forecasting(self) -> dict[str, int]:
        batch = self.config.forecast.batch_size
        one, two = (
            forecasting_bytes(
                self.network,
                (count, self.data.input_steps, *self.analysis.shape),
                bfloat16=self._is_bfloat16,
                is_own=self.config.model.kind == "file",
            )
            for count in (1, 2)
        )
        others = self.config.train.members - 1
        parameters = 4 * sum(p.numel() for p in self.network().parameters()) if others else 0
        return {
            "network": round(one + (batch - 1) * (two - one)) + others * parameters,
            f"states of {batch} initial times": held_bytes(
                self.source,
                input_steps=self.data.input_steps,
                num_leads=self.num_leads,
                batch_size=batch,
                num_members=len(self.members()),
                lagged=self.config.forecast.lagged,
                is_perturbed=self.config.forecast.perturb > 0,
            ),
        }

    def members(self, checkpoint: Checkpoint | None = None) -> tuple[Member, ...]:
        """The members of each forecast.

        Args:
            checkpoint: that they are made with; None: the one that will be trained.

        Raises:
            ValueError: some would be equal.
        """
        forecast, num_networks = self.config.forecast, self.config.train.members
        noise = self.config.model.noise
        if checkpoint is not None:
            num_networks, noise = len(checkpoint.members), checkpoint.network.get("noise", 0)
        return members_of(
            num_networks,
            forecast.members,
            lagged=forecast.lagged,
            is_perturbed=forecast.perturb > 0,
            is_noisy=noise > 0,
        )

    @cached_property
    def training(self) -> TrainingCosts:
        """What training takes of each of its devices."""
        cluster, ranks = self.config.cluster, launch().world_size
        missing = None if self.scanned is None else self.scanned.missing
        judged = np.array([channel.role != FORCING for channel in self.channels])
        return TrainingCosts(
            self.config,
            self.channels,
            self.analysis.grid,
            masked=missing is not None and bool((missing[judged] > 0).any()),
            bfloat16=self._is_bfloat16,
            world_size=ranks if ranks > 1 else cluster.nodes * cluster.processes,
        )

    @property
    def _is_bfloat16(self) -> bool:
        return computes_in_bfloat16(choose_device(self.config.device), self.config.train.precision)

    def _verifying(self) -> dict[str, int]:
        verify = self.config.verify
        training = self.source.between(*self.data.train)
        fitted = fitted_bytes(
            training, verify.baselines, num_leads=self.num_leads, harmonics=verify.harmonics
        )
        held = verifying_gib(self.config) * 2**30
        if self.config.cluster.workers:
            held *= self.config.cluster.cores
            return {"at most in a worker": round(held), "fitted baselines": fitted}
        return {"at most verify.memory_gib": round(held), "fitted baselines": fitted}

    def refuse_full_disk(self) -> None:
        """Raises where the disk has less room than the run will write, uncompressed.

        Raises:
            OSError: names the output folder, what is needed and what is free.
        """
        needed = self.output_bytes(sum(p.numel() for p in self.network().parameters()))
        output = self.config.output
        there = next(p for p in (output.absolute(), *output.absolute().parents) if p.is_dir())
        free = shutil.disk_usage(there).free
        if needed > free:
            raise OSError(
                f"output {output}: the run writes about {readable_size(needed)} before "
                f"compression, {readable_size(free)} are free; make room, or set output= elsewhere"
            )

    def refuse_small_memory(self) -> None:
        """Raises where training or forecasting on the CPU needs far more than this machine has.

        Raises:
            ValueError: names the keys, what is needed and what there is.
        """
        installed = installed_bytes()
        if installed is None or choose_device(self.config.device).type != "cpu":
            return
        larger = max(1.0, self.config.forecast.batch_size / self.training.windows)
        if larger * self.training.rough_bytes < installed / 4:
            return  # far from it, and counting takes a second or two
        remedies = {
            "train": self.training.smaller(self.training.windows),
            "forecast": "choose a smaller batch_size, a larger model.patch or a smaller model",
        }
        for name, parts_of in (("train", self._training), ("forecast", self._forecasting)):
            needed = sum(parts_of().values()) if name in self.config.pipeline else 0
            if needed > BEYOND * installed:
                raise ValueError(
                    f"{name}.batch_size: {name} would take about {readable_size(needed)} of "
                    f"memory, this machine has {readable_size(installed)}; {remedies[name]}"
                )

    def split(self, name: str) -> Any:
        """Times of a period of data."""
        return self.analysis.between(*getattr(self.data, name)).times

    @cached_property
    def source(self) -> Analysis:
        """What the stages after prepare read: its training store, if there will be one."""
        return planned(self.analysis) if "prepare" in self.config.pipeline else self.analysis

    @property
    def channels(self) -> Channels:
        """Those of the analysis, with their roles."""
        return Channels.of(self.analysis.dataset, self.data.roles)

    def states(self, name: str) -> States:
        """States of a period of data, not read."""
        ones = np.ones(len(self.analysis.channels))
        return States(
            self.source.between(*getattr(self.data, name)),
            self.channels,
            Statistics(0 * ones, ones, ones),
            buffer_bytes=self.data.buffer_bytes,
        )

    def network(self, **changes: Any) -> ForecastNetwork:
        """The network that train would build."""
        return network_of(self.config, self.channels, self.analysis.grid, **changes)

    @property
    def num_leads(self) -> int:
        """Model steps to the longest lead time."""
        num: int = round(nominal(self.config.forecast.longest) / nominal(self.step))
        return num

    def output_bytes(self, num_parameters: int) -> int:
        """Size of everything written, uncompressed, saved states among it.

        A state holds the weights, their averages and two moments of AdamW, and the weights of
        members before; one more than are kept is there while it is written.
        """
        forecast = self.config.forecast
        state = self.analysis.state_bytes
        written = state * len(self.channels.forecast) // len(self.channels)
        num_inits = len(choose_init_times(self.analysis, test=self.data.test, **forecast.chosen))
        states = 4 * (self.config.train.keep_states + 1)
        sizes = {
            "prepare": len(self.analysis) * state,
            "train": 4 * num_parameters * (states + 1) * self.config.train.members,
            "forecast": num_inits * len(self.members()) * self.num_leads * written,
        }
        if "simulate" in self.config.pipeline:
            sizes["simulate"] = planet_of(self.config).template().nbytes
        return sum(size for name, size in sizes.items() if name in self.config.pipeline)
