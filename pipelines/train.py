"""Trains the forecast network: analysis → checkpoint/ and log.jsonl."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import torch

from axialcast.device import choose_device
from axialcast.forecast import save_checkpoint
from axialcast.model.memory import peak_bytes
from axialcast.parallel import launch, told
from axialcast.run.config import Config
from axialcast.run.floor import of_member
from axialcast.run.model_size import sized
from axialcast.run.network import remarks
from axialcast.run.parent import Parent
from axialcast.run.progress import track
from axialcast.run.stamps import differences, made_from
from axialcast.run.tracking import tracked
from axialcast.run.training import checkpoint_of, training_of
from axialcast.run.training_data import TrainingData
from axialcast.run.watch import Plan, Watch
from axialcast.training import (
    Ensemble,
    Log,
    Processes,
    SavedState,
    Training,
    machine,
    member_seed,
    newest_state,
)

READS = (
    "seed",
    "model",
    "data.variables",
    "data.diagnostic",
    "data.static",
    "data.forcings",
    "data.weights",
    "data.bounds",
    "data.transform",
    "data.boundary",
    "data.levels",
    "data.region",
    "data.member",
    "data.gaps",
    "data.round_times_seconds",
    "data.grid_mapping",
    "data.train",
    "data.validate",
    "data.input_steps",
    "data.step",
    "data.step_hours",
    "data.rename",
    "data.units",
    "data.missing_chunks",
    "train.members",
    "train.schedule",
    "train.batch_size",
    "train.start_from",
    "train.carried_rate",
    "train.freeze",
    "train.learning_rate",
    "train.optimizer",
    "train.weight_decay",
    "train.warmup_steps",
    "train.ema_decay",
    "train.input_noise",
    "train.gradient_clip",
    "train.loss",
    "train.validate_every",
    "train.precision",
    "train.keep",
    "forecast.lead_time",
    "forecast.lead_time_hours",
)
NEEDS = ()
OUTPUTS = ("checkpoint", "log.jsonl")
RESUMES = ("states",)
KEEPS = (".fitted",)
EVERY_RANK = True


def run(config: Config) -> None:
    """Fits the network on data.train, watching data.validate; goes on where it was stopped.

    Processes that were started together share it; the first of them alone writes.
    """
    output = config.output
    processes = Processes.joined(**config.train.processes)
    is_leader = processes.rank == 0
    made = made_from(config, __file__) if is_leader else {}
    saved = state_to_go_on_from(config, made)
    parent = Parent.of(config)
    config = config if parent is None else parent.settled(config)
    device = choose_device(config.device)
    data = TrainingData.of(config)
    config = sized(
        config,
        shape=data.grid.shape,
        num_channels=len(data.channels),
        num_samples=data.train.sizes["time"],
    )
    assert config.data is not None
    for remark in [*data.missing(), *remarks(config, data)]:
        print(f"train: {remark}")
    beside = {
        "data.buffer_gib": config.data.buffer_gib,
        **machine(device, processes, config.train.accumulate),
    }
    finished = saved.finished() if saved else []
    with ExitStack() as stack:
        log = None
        if is_leader:
            log = stack.enter_context(
                Log(output / "log.jsonl", after=saved.mark if saved else None)
            )
        ensemble = Ensemble(
            output / "states",
            lambda member: member_of(config, member, data, parent, processes, device),
            config.train.members,
            log,
            finished=finished,
            saved=saved,
            made_from=made,
            beside=beside,
            keep=config.train.keep_states,
            **config.train.save_interval,
        )
        steps = sum(stage.steps for stage in config.train.schedule)
        updates = stack.enter_context(closing(ensemble.updates()))
        watch = Watch(Plan.of(config.train), partial(peak_bytes, device)) if is_leader else None
        if watch is not None:
            watch.read(output / "log.jsonl")
        tell = stack.enter_context(
            tracked(config.train.track if is_leader else None, output, output / "log.jsonl")
        )
        for _ in track(
            updates if watch is None else watch.following(updates, tell),
            description="train",
            watched=watch,
            total=steps * config.train.members,
            done=steps * len(finished) + (saved.step if saved else 0),
            unit="steps",
        ):
            pass
        if is_leader:
            for member, kept in enumerate(ensemble.kept):
                of = f"member {member}: " if config.train.members > 1 else ""
                print(f"train: {of}keeps weights {kept}")
            save_checkpoint(
                output / "checkpoint",
                checkpoint_of(config, data, parent, ensemble.finished, ensemble.kept),
                make_room=ensemble.drop_older,
            )


def member_of(
    config: Config,
    member: int,
    data: TrainingData,
    parent: Parent | None,
    processes: Processes,
    device: torch.device,
) -> Training:
    """The training of a member, as it would be alone with a seed of its own."""
    own = of_member(config, data, member).model_copy(
        update={"seed": member_seed(config.seed, member)}
    )
    torch.manual_seed(own.seed)
    return training_of(own, data, parent and parent.alone(member), processes, device)


def state_to_go_on_from(config: Config, made: Mapping[str, Any]) -> SavedState | None:
    """The newest saved state that is whole, as the leader finds it; None: there is none.

    Raises:
        ValueError: it belongs to another training.
    """
    folder = config.output / "states"
    newest = None
    if launch().is_leader:
        newest = newest_state(folder, config.output / "log.jsonl")
        if newest and (changes := differences(dict(made), newest.made_from)):
            raise ValueError(
                f"{newest.path}: belongs to another training: {'; '.join(changes)}; "
                "set it back, or run with --force to start over"
            )
    name = told(newest and newest.path.name)
    return newest or (SavedState.of(folder / name) if name else None)
