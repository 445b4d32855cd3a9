"""The section `train:` of a config file: how the network is fitted."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from axialcast.run.loss_section import LossConfig
from axialcast.run.section import Section
from axialcast.run.values import (
    Count,
    Location,
    Name,
    NotNegative,
    Positive,
    Share,
    Whole,
    each_once,
)
from axialcast.times.periods import Interval, interval

__all__ = ["ScheduleConfig", "TrainConfig"]


def _by_its_kind(loss: Any) -> Any:
    return {"kind": loss} if isinstance(loss, str) else loss


class ScheduleConfig(Section):
    """One stage of training."""

    steps: Count
    """Optimizer steps of this stage."""
    rollout_steps: Count = 1
    """Model steps that the loss looks ahead."""


class TrainConfig(Section):
    """How the network is fitted."""

    schedule: Annotated[list[ScheduleConfig], Field(min_length=1)] = [ScheduleConfig(steps=1000)]
    """Stages in order: first single steps, then rollouts."""
    members: Annotated[Count, Field(le=1000)] = 1
    """Networks that are trained one after another, each from a seed of its own; their forecasts are
    an ensemble."""
    batch_size: Count = 32
    """Windows per step, of all processes together."""
    parallel: Literal["auto", "ddp", "fsdp", "none"] = "auto"
    """How processes started by torchrun, srun or mpirun share a training; auto: ddp where there
    are several. fsdp also shards weights and the optimizer; none refuses more than one."""
    loss: Annotated[LossConfig, BeforeValidator(_by_its_kind)] = LossConfig()
    """What is made small; mse or crps alone stands for its kind."""
    accumulate: Count = 1
    """Parts that a process takes its windows of a step in, one after another, to save memory."""
    domain_ranks: Count = 1
    """Processes that share every window, each a band of latitudes; divides their number."""
    start_from: Location | None = None
    """Checkpoint, or output folder of another run, whose weights training starts with, on the same
    data or others: a path, a URL of s3, gs or az, or hf://org/name@revision; null: weights that are
    drawn."""
    carried_rate: Positive = 1.0
    """Learning rate of what start_from carried over, in units of learning_rate."""
    freeze: Annotated[list[Name], each_once()] = []
    """Parts of the network that keep the weights they start with, such as [embed, blocks]."""
    optimizer: Literal["auto", "muon", "adamw"] = "auto"
    """What makes an update; muon: layers that map many features to many move along orthogonal
    directions, the others by AdamW, which learns in fewer steps; auto: muon, unless parallel: fsdp
    shards the matrices."""
    learning_rate: Positive = 2e-3
    """Peak learning rate, reached after warm-up; a cosine over all stages takes it to zero."""
    weight_decay: NotNegative = 0.05
    """Decoupled weight decay, of matrices only."""
    warmup_steps: Whole = 50
    """Steps over which the learning rate rises linearly."""
    ema_decay: Share = 0.99
    """Decay per step of the averaged weights that the checkpoint keeps; 0: not averaged."""
    input_noise: NotNegative = 0.0
    """Noise that is added to the input states of windows while training, in units of the change
    over one step: against few samples, and for long rollouts; 0: none."""
    gradient_clip: Positive = 1.0
    """Largest norm of the gradient."""
    validate_every: Count = 200
    """Steps from one look at data.validate to the next."""
    keep: Literal["best", "last"] = "best"
    """Which weights the checkpoint keeps: those whose own forecasts of data.validate are best at
    all lead times up to forecast.lead_time, of each look at it, or those of the last step."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; auto: bfloat16 where the GPU computes in it."""
    save_every: Interval = "5 minutes"
    """How often a state to go on from is saved: steps such as 200, or a time such as 5 minutes."""
    keep_states: Count = 2
    """Newest saved states that are kept; the one before serves when the newest is damaged."""

    @model_validator(mode="after")
    def _has_whole_matrices(self) -> Self:
        if self.optimizer == "muon" and self.parallel == "fsdp":
            raise ValueError("optimizer muon wants whole matrices, and parallel: fsdp shards them; "
                             "set optimizer: auto or parallel: ddp")  # fmt: skip
        return self

    @property
    def is_orthogonal(self) -> bool:
        """Whether Muon makes the updates."""
        return self.optimizer == "muon" or (self.optimizer == "auto" and self.parallel != "fsdp")

    track: Literal["tensorboard", "mlflow", "wandb"] | None = None
    """Tracker that gets the log as well, offline, in tracked/ of the output folder; null: none."""

    @property
    def processes(self) -> dict[str, Any]:
        """Keywords of `axialcast.training.Processes.joined`."""
        return {
            "kind": self.parallel,
            **self.model_dump(include={"domain_ranks", "batch_size", "accumulate"}),
        }

    @property
    def save_interval(self) -> dict[str, float]:
        return interval(self.save_every)
