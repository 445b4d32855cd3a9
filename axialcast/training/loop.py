"""The loop: one batch, one update, one entry; and everything that it changes on the way."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from axialcast.data import Batch, WindowLoader
from axialcast.training.optimization import load_optimizer, optimizer_tensors
from axialcast.training.task import ForecastTask

__all__ = ["Training"]


class Training:
    """A network while it is fitted.

    What an update changes is in `tensors` and `position` together, and nowhere else: given back to
    another Training of the same arguments, they make it go on as this one would have.

    Args:
        network: to be fitted, on its device.
        task: what the loss of a batch is.
        optimizer: of the network's parameters.
        learning_rate: the rate of step 1, 2, …
        stage_steps: updates in each stage of the schedule.
        windows: makes the loader of a stage, by its number from 0; each starts epochs of its own.
        validation: windows that the averaged network is judged by.
        ema_decay: of the averaged weights, per step.
        gradient_clip: largest norm of the gradient.
        validate_every: steps from one validation to the next; the last step has one, too.
    """

    def __init__(
        self,
        network: nn.Module,
        task: ForecastTask,
        *,
        optimizer: AdamW,
        learning_rate: Callable[[int], float],
        stage_steps: Sequence[int],
        windows: Callable[[int], WindowLoader],
        validation: WindowLoader,
        ema_decay: float,
        gradient_clip: float,
        validate_every: int,
    ) -> None:
        self.network, self.task, self.optimizer = network, task, optimizer
        average = get_ema_multi_avg_fn(ema_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
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

    def updates(self) -> Iterator[dict[str, float]]:
        """Makes the updates that are left of the schedule; yields an entry for the log after each.

        Raises:
            ValueError: the loss is not finite any more; or as the loaders.
            OSError: as the loaders.
        """
        started = time.perf_counter() - self.seconds
        for batch in self._batches():
            entry = self._update(batch)
            self.step += 1
            self.seconds = entry["seconds"] = round(time.perf_counter() - started, 3)
            if self.step % self._validate_every == 0 or self.step == self.num_steps:
                entry["validation_loss"] = self.task.mean_loss(
                    self.averaged.module, self._validation
                )
            yield entry

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

    def _update(self, batch: Batch) -> dict[str, float]:
        step, rate = self.step + 1, self._learning_rate(self.step + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.task.loss(self.network, batch)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"train: the loss became {value} at step {step}; lower train.learning_rate"
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self._gradient_clip)
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        return {"step": step, "loss": value, "gradient_norm": norm.item(), "learning_rate": rate}

    def position(self) -> dict[str, Any]:
        """Where it stands between two updates, JSON: step, stage, the loader's place, seconds."""
        return {
            "step": self.step,
            "stage": self._stage,
            "loader": self._loader.state_dict(),
            "seconds": self.seconds,
        }

    def tensors(self) -> dict[str, Tensor]:
        """What it has learned and would draw next, by name; not copied."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer, self.network),
            "random": self._random_states(),
        }
        return {f"{part}.{name}": value for part in parts for name, value in parts[part].items()}

    def go_on_from(self, position: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Stands where another one stood when these were taken.

        Raises:
            ValueError: the windows of the stage, or their order, are others than they were.
        """
        loader = self._windows(position["stage"])
        loader.load_state_dict(position["loader"])

        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}."
            return {key[len(start) :]: tensors[key] for key in tensors if key.startswith(start)}

        self.network.load_state_dict(part("network"))
        self.averaged.load_state_dict(part("averaged"))
        load_optimizer(self.optimizer, self.network, part("optimizer"))
        # After everything that was built has drawn its numbers.
        for name, state in part("random").items():
            kind, _, index = name.partition(".")
            if kind == "cpu":
                torch.set_rng_state(state)
            elif kind == "mps":
                torch.mps.set_rng_state(state)
            elif torch.cuda.is_available():
                torch.cuda.set_rng_state(state, int(index))
        self.step, self.seconds = position["step"], position["seconds"]
        self._stage, self._loader = position["stage"], loader

    def _random_states(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        for device in {parameter.device for parameter in self.network.parameters()}:
            if device.type == "cuda":
                states[f"cuda.{device.index}"] = torch.cuda.get_rng_state(device)
            elif device.type == "mps":
                states["mps"] = torch.mps.get_rng_state()
        return states
