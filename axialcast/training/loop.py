"""The loop: one batch, one update, one entry; and everything that it changes on the way."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from axialcast.data import Batch, WindowLoader
from axialcast.model import ForecastNetwork
from axialcast.training.averaging import Averages
from axialcast.training.blending import Blending
from axialcast.training.entry import Coming, Entry
from axialcast.training.judging import Best, Judging
from axialcast.training.optimization import load_optimizer, optimizer_tensors
from axialcast.training.parallel import Processes, is_shared, own_part, shared_like, whole
from axialcast.training.random_states import random_states, set_random_states
from axialcast.training.task import ForecastTask

__all__ = ["Training"]


class Training:
    """A network while it is fitted.

    What an update changes is in `tensors` and `position` together, and nowhere else: given back to
    another Training of the same arguments, they make it go on as this one would have.

    Args:
        network: to be fitted, on its device.
        task: what the loss of a batch is.
        optimizer: makes that of the network's parameters.
        learning_rate: the rate of step 1, 2, …
        stage_steps: updates in each stage of the schedule.
        windows: makes the loader of a stage, by its number from 0; each starts epochs of its own.
        validation: windows that the averaged network is judged by.
        ema_decay: of the averaged weights, per step.
        gradient_clip: largest norm of the gradient.
        validate_every: steps from one validation to the next; the last step has one, too.
        accumulate: parts that this process takes its windows of a batch in, one after another.
        processes: that share the training; each has its own windows and the same of all else.
        blending: of a network with a linear floor: how much each counts, when training is done.
        judging: forecasts by which the best weights are kept, at each validation; None: the last
            ones are.
        judges_start: whether the first weights to be judged are those of before the first step, as
            they may be trained ones.
    """

    def __init__(
        self,
        network: nn.Module,
        task: ForecastTask,
        *,
        optimizer: Callable[[nn.Module], AdamW],
        learning_rate: Callable[[int], float],
        stage_steps: Sequence[int],
        windows: Callable[[int], WindowLoader],
        validation: WindowLoader,
        ema_decay: float,
        gradient_clip: float,
        validate_every: int,
        accumulate: int = 1,
        processes: Processes = Processes(),  # noqa: B008, it is frozen
        judging: Judging | None = None,
        blending: Blending | None = None,
        judges_start: bool = False,
    ) -> None:
        self.network, self.task, self.processes = network, task, processes
        self.averaged = Averages(network, ema_decay)
        processes.shard(network)
        processes.shard(self.averaged.module)
        self._blending, self._blended = blending, ""
        self._judging, self.best, self._judges_start = judging, None, judges_start
        if judging is not None:
            self.best = Best(self.averaged.module, self.averaged.constants)
        self.optimizer = optimizer(network)
        self._objective = processes.wrap(_Objective(network, task))
        self._accumulate = accumulate
        self.step, self.seconds = 0, 0.0
        self._learning_rate, self._gradient_clip = learning_rate, gradient_clip
        self._stage_steps, self._windows = tuple(stage_steps), windows
        self._validation, self._validate_every = validation, validate_every
        self._stage, self._loader = 0, windows(0)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def num_steps(self) -> int:
        """Updates in all."""
        return sum(self._stage_steps)

    def updates(self) -> Iterator[Entry]:
        """Makes the updates that are left of the schedule; yields an entry for the log after each.

        Raises:
            ValueError: the loss is not finite any more; or as the loaders.
            OSError: as the loaders.
        """
        started = time.perf_counter() - self.seconds
        if self._judges_start and self.step == 0 and self.best is not None:
            assert self._judging is not None
            module = self.averaged.module
            self.best.look(0, self._judging.rmse(module, self.processes.total), module)
        for batch in self._batches():
            entry = self._update(batch)
            self.step += 1
            self.seconds = entry.seconds = round(time.perf_counter() - started, 3)
            if self.step % self._validate_every == 0 or self.step == self.num_steps:
                entry.values()  # weights of a loss that is not finite are judged by nobody
                self._validate(entry)
            yield entry

    def _validate(self, entry: Entry) -> None:
        module, total = self.averaged.module, self.processes.total
        entry.validation_loss = self.task.mean_loss(module, self._validation, total=total)
        if self.best is not None:
            assert self._judging is not None
            entry.measure = self._judging.measure
            entry.validation_rmse = self._judging.rmse(module, total)
            self.best.look(self.step, entry.validation_rmse, module)

    def _batches(self) -> Iterator[Batch]:
        while True:
            end = sum(self._stage_steps[: self._stage + 1])
            while self.step < end:
                for batch in self._loader:
                    yield batch
                    if self.step == end:
                        break
            if end == self.num_steps:
                return
            self._stage += 1
            self._loader = self._windows(self._stage)

    def _update(self, batch: Batch) -> Entry:
        """One update; nothing in it waits for the device."""
        step, rate = self.step + 1, self._learning_rate(self.step + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.optimizer.zero_grad()
        shares = self.task.loss.shares(self.processes.total(self.task.lower(batch)))
        parts = batch.split(self._accumulate)
        losses = []
        for number, part in enumerate(parts, start=1):
            now = number == len(parts)
            with self.processes.adding_up(self._objective, now):
                loss = (self._objective(part, step) * shares).sum()
                # The engines divide what they add up.
                (loss * self.processes.world_size).backward()
            losses.append(loss.detach())
        loss = self.processes.total(torch.stack(losses).sum())
        norm = whole(nn.utils.clip_grad_norm_(self.network.parameters(), self._gradient_clip))
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        return Entry(step, rate, Coming(torch.stack([loss, norm])), self._loader.target_steps)

    def position(self) -> dict[str, Any]:
        """Where it stands between two updates, JSON: step, stage, the loader's place, seconds, and
        which weights are the best so far."""
        return {
            "step": self.step,
            "stage": self._stage,
            "loader": self._loader.state_dict(),
            "seconds": self.seconds,
            "best": self.best and self.best.position(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """What it has learned and would draw next, by name; not copied.

        Every process calls it, and has of what they share its own part. All else, the random
        numbers of all of them among it, the leader alone has.
        """
        parts: dict[str, Mapping[str, Tensor]] = {
            **self._modules(),
            "optimizer": optimizer_tensors(self.optimizer, self.network),
            "best": self.best.values if self.best else {},
        }
        named = {f"{part}.{name}": value for part in parts for name, value in parts[part].items()}
        named |= random_states(self.device)
        is_leader = self.processes.rank == 0
        return {name: own_part(v) for name, v in named.items() if is_leader or is_shared(v)}

    def _modules(self) -> dict[str, dict[str, Tensor]]:
        """What the network and its averages hold, without the constants they share."""
        constants = self.averaged.constants
        both = {"network": self.network.state_dict(), "averaged": self.averaged.state_dict()}
        return {
            part: {n: v for n, v in own.items() if n.removeprefix("module.") not in constants}
            for part, own in both.items()
        }

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, the best or else the last, whole; every process calls it, when
        training is done."""
        module = self.averaged.module
        named = module.state_dict()
        for name, value in (self.best.values if self.best else {}).items():
            named[name].copy_(value)
        if self._blending is not None:
            assert isinstance(module, ForecastNetwork)
            found = self._blending.fitted(module, self.processes.total)
            # Lead times that data.validate has no room for have the weights of the last it has.
            leads = np.minimum(np.arange(len(named["blend"])), len(found.weights) - 1)
            named["blend"].copy_(torch.from_numpy(found.weights[leads]))
            self._blended = f"; {found.words}"
        return {name: whole(value) for name, value in named.items()}

    @property
    def kept(self) -> str:
        """Which weights these are, in words."""
        if self._judging is None or self.best is None:
            return f"of step {self.step:,}, the last{self._blended}"
        return (
            f"of step {self.best.step:,} of {self.num_steps:,}, best on data.validate at 1 to "
            f"{self._judging.windows.target_steps} steps "
            f"({self._judging.measure} {self.best.rmse:.4g} deviations)"
            f"{self._blended}"
        )

    def go_on_from(self, position: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Stands where another one stood when these were taken.

        Raises:
            ValueError: the windows of the stage, or their order, are others than they were.
        """
        loader = self._windows(position["stage"])
        loader.load_state_dict(position["loader"])

        for part, own in self._modules().items():
            for name, value in own.items():
                # One after another: none of them is whole in memory for long.
                value.copy_(shared_like(tensors[f"{part}.{name}"], value))
        if self.best is not None:
            self.best.go_on_from(position["best"], lambda name: tensors[f"best.{name}"])
        load_optimizer(self.optimizer, self.network, tensors, start="optimizer.")
        # After everything that was built has drawn its numbers.
        set_random_states(tensors, self.device)
        self.step, self.seconds = position["step"], position["seconds"]
        self._stage, self._loader = position["stage"], loader


class _Objective(nn.Module):
    """What a network's errors on a batch cost: a whole rollout is one call of it."""

    def __init__(self, network: nn.Module, task: ForecastTask) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, batch: Batch, update: int) -> Tensor:
        return self.task.upper(self.network, batch, update)
