"""The training that a config asks for, before its first step: network, loss, loaders, schedule."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.data import States, WindowLoader
from axialcast.forecast import Checkpoint
from axialcast.model import ForecastNetwork
from axialcast.model.freezing import freeze
from axialcast.names import PLANET
from axialcast.run.boundary import judged_weights, with_boundary
from axialcast.run.config import Config
from axialcast.run.loss import check_loss, loss_of
from axialcast.run.network import network_to_train, settings_to_train
from axialcast.run.parent import Parent
from axialcast.run.training_data import TrainingData
from axialcast.times.steps import multiple
from axialcast.training import (
    Blending,
    ForecastTask,
    InputNoise,
    Judging,
    Processes,
    Training,
    adamw,
    judged_windows,
    learning_rate,
    muon,
    seed_rank,
)

__all__ = ["checkpoint_of", "training_of"]


def training_of(
    config: Config,
    data: TrainingData,
    parent: Parent | None,
    processes: Processes,
    device: torch.device,
) -> Training:
    """The training before its first step: network, loss, loaders, schedule."""
    assert config.data is not None
    train, schedule = config.train, config.train.schedule
    network, rates = network_to_train(config, data), {}
    if parent is not None:
        untrained = checkpoint_of(config, data, None, [network.state_dict()])
        begun = parent.start(network, untrained)
        for line in begun.lines if parent.member == 0 else ():
            print(f"train: start_from: {line}")
        rates = dict.fromkeys(begun.carried, train.carried_rate)
    freeze(network, train.freeze)
    network.to(device)
    rows = processes.share(network)
    buffer_bytes = config.data.buffer_bytes
    joined = (
        with_boundary(config, part, data.channels, data.statistics)
        for part in (data.train, data.validate)
    )
    states, watched = (
        States(
            part.isel({data.grid.dims[0]: rows}),
            channels,
            statistics,
            buffer_bytes=buffer_bytes,
            num_latitudes=data.grid.shape[0],
        )
        for part, channels, statistics in joined
    )
    windows = partial(
        WindowLoader,
        input_steps=network.input_steps,
        step=data.stride,
        batch_size=train.batch_size,
        device=device,
        rank=processes.data_rank,
        world_size=processes.data_ranks,
    )
    check_loss(config, data.channels, data.statistics, rows, data.grid.shape[0])
    judged = judged_weights(config, data.grid)[rows]
    weights = data.channels.forecast.weights(config.data.weights)
    task = ForecastTask(
        step=data.step,
        area_weights=torch.tensor(judged, dtype=torch.float32, device=device),
        scale=error_scale(network, weights),
        precision=train.precision,
        has_boundary=config.data.boundary is not None,
        loss=loss_of(config, data.grid),
        noise=network.noise_on(device),
        seed=config.seed,
        input_noise=input_noise_of(config, network, rows),
    )
    judging = blending = None
    if train.keep == "best" or network.floor is not None:
        watch = partial(windows, watched)
        own = windows_to_judge(config, data.step, processes, watch)
        blending = None if network.floor is None else Blending(task, own)
        judging = Judging(task, own, weights, blending) if train.keep == "best" else None
    seed_rank(config.seed)
    return Training(
        network,
        task,
        optimizer=partial(
            muon if train.is_orthogonal else adamw,
            weight_decay=train.weight_decay,
            rates=rates,
        ),
        learning_rate=partial(
            learning_rate,
            stages=[(stage.steps, stage.rollout_steps) for stage in schedule],
            peak=train.learning_rate,
            warmup_steps=train.warmup_steps,
        ),
        stage_steps=[stage.steps for stage in schedule],
        windows=lambda number: windows(
            states,
            target_steps=schedule[number].rollout_steps,
            drop_last=True,
            seed=config.seed * 1000 + number,
        ),
        validation=windows(
            watched, target_steps=max(stage.rollout_steps for stage in schedule), shuffle=False
        ),
        ema_decay=train.ema_decay,
        gradient_clip=train.gradient_clip,
        validate_every=train.validate_every,
        accumulate=train.accumulate,
        processes=processes,
        judging=judging,
        blending=blending,
        judges_start=parent is not None,
    )


def windows_to_judge(
    config: Config,
    step: np.timedelta64,
    processes: Processes,
    windows: Callable[..., WindowLoader],
) -> WindowLoader:
    """Windows of data.validate as long as the forecasts that are asked for, where it has such."""
    assert config.data is not None
    rollout_steps = max(stage.rollout_steps for stage in config.train.schedule)
    wanted = max(multiple(config.forecast.longest, step) or 0, rollout_steps)
    found = judged_windows(
        windows,
        steps=wanted,
        input_steps=config.data.input_steps,
        rollout_steps=rollout_steps,
        batch_size=config.train.batch_size,
        every=config.train.validate_every,
        fewest=processes.data_ranks,
    )
    if processes.rank == 0 and found.target_steps < wanted:
        print(
            f"train: data.validate or data.buffer_gib has no room for windows of {wanted} steps; "
            f"weights are judged by forecasts of {found.target_steps}"
        )
    return found


def input_noise_of(config: Config, network: ForecastNetwork, rows: slice) -> InputNoise | None:
    """What is added to input states, if anything is."""
    if not config.train.input_noise:
        return None
    scale = config.train.input_noise * network.increment_scale[: network.num_channels]
    return InputNoise(scale, network.shape, rows=rows, seed=config.seed)


def error_scale(network: ForecastNetwork, weights: NDArray[np.float64] | None) -> Tensor:
    """(c, 1, 1) the error of each channel that counts as one."""
    if weights is None:
        return network.increment_scale
    root = torch.as_tensor(weights**0.5, dtype=torch.float32)[:, None, None]
    return network.increment_scale / root.to(network.increment_scale.device)


def checkpoint_of(
    config: Config,
    data: TrainingData,
    parent: Parent | None,
    members: Sequence[Mapping[str, Tensor]],
    kept: Sequence[str] = (),
) -> Checkpoint:
    """What is kept of a training, or of several; `kept` says of which steps."""
    assert config.data is not None
    return Checkpoint(
        weights=members[0],
        others=members[1:],
        network=settings_to_train(config, data),
        file=config.network_file,
        channels=data.channels,
        static=data.static.channels,
        bounds=data.channels.forecast.bounds(config.data.bounds),
        statistics=data.statistics,
        grid=data.grid,
        step=data.step,
        provenance={
            "train": list(config.data.train),
            "store": config.analysis_address,
            "axialcast": version("axialcast"),
            "torch": torch.__version__,
            "seed": config.seed,
            **({PLANET: data.train.attrs[PLANET]} if PLANET in data.train.attrs else {}),
            **({} if parent is None else {"start_from": parent.provenance}),
            "weights": kept[0] if len(kept) == 1 else list(kept),
        },
    )
