"""Trains the forecast network: analysis → checkpoint/ and log.jsonl."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axialcast.baselines.kept import KeptFits
from axialcast.data import (
    Analysis,
    Channels,
    States,
    Statistics,
    WindowLoader,
    cadence,
    grid_of,
    open_analysis,
    statistics,
)
from axialcast.data.monthly import usual_months
from axialcast.data.plausible import warn_implausible
from axialcast.data.preparing.prepared import stored_statistics
from axialcast.data.transform import log_scales
from axialcast.device import choose_device
from axialcast.forecast import Checkpoint, save_checkpoint
from axialcast.model import ForecastNetwork
from axialcast.names import FORCING, PROGNOSTIC
from axialcast.parallel import launch, leader_first, told
from axialcast.run.boundary import judged_weights, with_boundary
from axialcast.run.config import Config
from axialcast.run.progress import track
from axialcast.run.stamps import differences, made_from, training_data
from axialcast.run.static_fields import static_fields
from axialcast.times.calendars import times_per_step
from axialcast.times.steps import MONTH, multiple, step_text
from axialcast.training import (
    ForecastTask,
    Log,
    Processes,
    SavedState,
    Saving,
    Training,
    adamw,
    learning_rate,
    machine,
    newest_state,
    seed_rank,
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
    "train.schedule",
    "train.batch_size",
    "train.learning_rate",
    "train.weight_decay",
    "train.warmup_steps",
    "train.ema_decay",
    "train.gradient_clip",
    "train.validate_every",
    "train.precision",
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
    output, data, schedule = config.output, config.data, config.train.schedule
    assert data is not None
    processes = Processes.joined(**config.train.processes)
    is_leader = processes.rank == 0
    made = made_from(config, __file__) if is_leader else {}
    saved = state_to_go_on_from(config, made)
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    analysis = open_analysis(config.analysis_store, **config.opening)
    train, validate = (analysis.sel(time=slice(*p)) for p in (data.train, data.validate))
    channels, grid = Channels.of(analysis, data.roles), grid_of(analysis)
    stride = times_per_step(cadence(analysis), data.model_step)
    step = cadence(analysis) * stride
    log1p = log_scales(channels, data.transform)
    stats = stored_statistics(
        config.analysis_store, channels, train=data.train, step=stride, log1p=log1p
    )
    if stats is None:
        with leader_first():
            stats = kept_statistics(config, Analysis.of(train, channels), stride, log1p)
    else:
        warn_implausible(channels, stats.lowest, stats.highest)
    for channel, share in zip(channels, stats.missing, strict=True):
        if share:
            so = "0 for the network" if channel.role == FORCING else "masked in the loss"
            print(f"train: {channel} is NaN on {100 * share:.3g} % of the area: {so}")
    static, bounds = static_fields(config, grid), channels.forecast.bounds(data.bounds)
    settings = {"input_steps": data.input_steps, **config.model.model_dump()}
    if data.computed_forcings:
        settings["forcings"] = data.computed_forcings
    if data.frame:
        settings["boundary"] = data.frame
    network = ForecastNetwork(
        **channels.numbers,
        num_static=len(static.channels),
        grid=grid,
        increment_scale=stats[channels.where(PROGNOSTIC)].increment_scale.tolist(),
        **settings,
    )
    network.set_static(static.values)
    if config.model.departures:
        if multiple(step, MONTH) != 1:
            raise ValueError(
                f"model.departures: a step is {step_text(step)}, expected 1 month; set it to false"
            )
        prognostic = channels.where(PROGNOSTIC)
        network.set_usual(*usual_months(train, channels.having(PROGNOSTIC), stats[prognostic]))
    network.to(device)
    rows = processes.share(network)
    joined = (with_boundary(config, part, channels, stats) for part in (train, validate))
    states, watched = (
        States(
            part.isel({grid.dims[0]: rows}),
            every,
            known,
            buffer_bytes=data.buffer_bytes,
            num_latitudes=grid.shape[0],
        )
        for part, every, known in joined
    )
    judged = torch.tensor(judged_weights(config, grid)[rows], dtype=torch.float32, device=device)
    windows = partial(
        WindowLoader,
        input_steps=data.input_steps,
        step=stride,
        batch_size=config.train.batch_size,
        device=device,
        rank=processes.data_rank,
        world_size=processes.data_ranks,
    )
    seed_rank(config.seed)
    training = Training(
        network,
        ForecastTask(
            step=step,
            area_weights=judged,
            scale=error_scale(network, channels.forecast.weights(data.weights)),
            precision=config.train.precision,
            has_boundary=data.boundary is not None,
        ),
        optimizer=partial(adamw, weight_decay=config.train.weight_decay),
        learning_rate=partial(
            learning_rate,
            stages=[(stage.steps, stage.rollout_steps) for stage in schedule],
            peak=config.train.learning_rate,
            warmup_steps=config.train.warmup_steps,
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
        ema_decay=config.train.ema_decay,
        gradient_clip=config.train.gradient_clip,
        validate_every=config.train.validate_every,
        accumulate=config.train.accumulate,
        processes=processes,
    )
    beside = {
        "data.buffer_gib": data.buffer_gib,
        **machine(device, processes, config.train.accumulate),
    }
    if saved:
        saved.put_into(training, beside)
    with ExitStack() as stack:
        log = None
        if is_leader:
            log = stack.enter_context(
                Log(output / "log.jsonl", after=saved.mark if saved else None)
            )
        with Saving(
            output / "states",
            training,
            log,
            made_from=made,
            beside=beside,
            keep=config.train.keep_states,
            **config.train.save_interval,
        ) as saving:
            for entry in track(
                training.updates(),
                description="train",
                total=training.num_steps,
                done=training.step,
                unit="steps",
            ):
                if log is not None:
                    log.write(entry)
                saving.after_step()
        weights = training.weights()
        if not is_leader:
            return
        save_checkpoint(
            output / "checkpoint",
            Checkpoint(
                weights=weights,
                network=settings,
                channels=channels,
                static=static.channels,
                bounds=bounds,
                statistics=stats,
                grid=grid,
                step=step,
                provenance={
                    "train": list(data.train),
                    "store": config.analysis_address,
                    "axialcast": version("axialcast"),
                    "torch": torch.__version__,
                    "seed": config.seed,
                },
            ),
            make_room=saving.drop_older,
        )


def error_scale(network: ForecastNetwork, weights: NDArray[np.float64] | None) -> Tensor:
    """(c, 1, 1) the error of each channel that counts as one."""
    if weights is None:
        return network.increment_scale
    root = torch.as_tensor(weights**0.5, dtype=torch.float32)[:, None, None]
    return network.increment_scale / root.to(network.increment_scale.device)


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


def kept_statistics(
    config: Config, training: Analysis, step: int, log1p: NDArray[np.float64]
) -> Statistics:
    """Statistics of the training period, gathered once for as long as it stays as it is."""
    kept = KeptFits(config.output / ".fitted", training_data(config))
    how = {"step": step, **({"log1p": log1p.tolist()} if log1p.any() else {})}
    found = kept.load("statistics", training, how)
    if found is None:
        found = vars(statistics(training, training.channels, step=step, log1p=log1p))
        kept.save("statistics", training, how, found)
    else:
        warn_implausible(training.channels, found["lowest"], found["highest"])
    return Statistics(**found)
