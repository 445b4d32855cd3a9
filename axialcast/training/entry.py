"""What the log says of an update, read when the device has it."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Entry"]


@dataclass
class Entry:
    """An update as the log will have it.

    Its numbers are on their way from the device while the next update is prepared: reading them at
    once would let the device wait for us in every step.

    Args:
        step: of the optimizer, from 1.
        learning_rate: of the step.
        numbers: loss and norm of the gradient, copied.
        rollout_steps: model steps that the loss looks ahead.
        seconds: of training so far.
        validation_loss, validation_rmse: where there was a validation, and forecasts were judged.
        measure: what they were judged by: of members it is the CRPS.
        member: which of several networks was updated; None: there is one.
    """

    step: int
    learning_rate: float
    numbers: "Coming"
    rollout_steps: int
    seconds: float = 0.0
    validation_loss: float | None = None
    validation_rmse: float | None = None
    measure: str = "RMSE"
    member: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether its numbers can be read without waiting."""
        return self.numbers.is_there

    def values(self) -> dict[str, Any]:
        """What is written down.

        Raises:
            ValueError: the loss is not finite any more.
        """
        loss, norm = self.numbers.read()
        if not math.isfinite(loss):
            raise ValueError(
                f"train: the loss became {loss} at step {self.step}; lower train.learning_rate"
            )
        known: dict[str, Any] = {} if self.member is None else {"member": self.member}
        known |= {
            "step": self.step,
            "loss": loss,
            "gradient_norm": norm,
            "learning_rate": self.learning_rate,
            "rollout_steps": self.rollout_steps,
            "seconds": self.seconds,
        }
        if self.validation_loss is not None:
            known["validation_loss"] = self.validation_loss
        if self.validation_rmse is not None and math.isfinite(self.validation_rmse):
            known[f"validation_{self.measure.lower()}"] = self.validation_rmse
        return known


class Coming:
    """Numbers that come from a device, behind what it was told to do so far.

    Args:
        values: (n,) on any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._host = values
        if values.is_cuda:
            self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._host.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    @property
    def is_there(self) -> bool:
        return self._event is None or bool(self._event.query())  # type: ignore[no-untyped-call]

    def read(self) -> list[float]:
        """The numbers, waiting for them alone and for nothing that came later."""
        if self._event is not None:
            self._event.synchronize()
        numbers: list[float] = self._host.tolist()
        return numbers
