"""Trains the forecast network: analysis → checkpoint/ and log.jsonl.

Shapes: b windows, t input states, k lead times, c channels, h latitudes, w longitudes.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from axialcast.config import Config
from axialcast.data import (
    Batch,
    Channels,
    States,
    WindowLoader,
    cadence,
    grid_of,
    open_analysis,
    statistics,
)
from axialcast.data.opening.calendars import times_per_step
from axialcast.data.preparing.prepared import stored_statistics
from axialcast.device import autocast, choose_device
from axialcast.forecast import Checkpoint, rollout, save_checkpoint
from axialcast.model import ForecastNetwork, area_weighted_mse
from axialcast.progress import track

READS = ("seed", "data", "model", "train")
OUTPUTS = ("checkpoint", "log.jsonl")

Loss = Callable[[nn.Module, Batch], Tensor]


def run(config: Config) -> None:
    """Fits the network on data.train, watching data.validate."""
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    data = config.data
    analysis = open_analysis(config.analysis_store, **config.opening)
    train = analysis.sel(time=slice(*data.train))
    validate = analysis.sel(time=slice(*data.validate))
    channels, grid = Channels.of(analysis), grid_of(analysis)
    stride = times_per_step(cadence(analysis), data.step_hours)
    step = cadence(analysis) * stride
    prepared = stored_statistics(config.analysis_store, channels, train=data.train, step=stride)
    stats = prepared or statistics(train, channels, step=stride)
    for channel, share in zip(channels, stats.missing, strict=True):
        if share:
            print(f"train: {channel} is NaN on {100 * share:.3g} % of the area: masked in the loss")
    settings = {"input_steps": data.input_steps, **config.model.model_dump()}
    network = ForecastNetwork(
        num_channels=len(channels),
        grid=grid,
        increment_scale=stats.increment_scale.tolist(),
        **settings,
    ).to(device)
    averaged = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(config.train.ema_decay), use_buffers=True
    )
    longest = max(stage.rollout_steps for stage in config.train.schedule)
    validation = WindowLoader(
        States(validate, channels, stats, buffer_bytes=data.buffer_bytes),
        input_steps=data.input_steps,
        target_steps=longest,
        step=stride,
        batch_size=config.train.batch_size,
        shuffle=False,
        device=device,
    )
    area_weights = torch.tensor(grid.area_weights, dtype=torch.float32, device=device)

    def loss_of(model: nn.Module, batch: Batch) -> Tensor:
        """Loss of rolling the model from the input states of the windows through the others.

        Points that the last input state lacks are forecast by nobody, so they are not judged.
        """
        known = None if batch.input_valid is None else batch.input_valid[:, -1]
        with autocast(device, config.train.precision):
            steps = rollout(
                model,
                batch.inputs,
                batch.input_times,
                step=step,
                num_steps=batch.targets.shape[1],
                valid=known,
            )
            forecast = torch.stack(list(steps), 1).float()
        return area_weighted_mse(
            forecast,
            batch.targets,
            area_weights=area_weights,
            scale=network.increment_scale,
            valid=None if known is None else batch.target_valid & known[:, None],
        )

    states = States(train, channels, stats, buffer_bytes=data.buffer_bytes)
    config.output.mkdir(parents=True, exist_ok=True)
    with (config.output / "log.jsonl").open("w") as log:
        fit(config, network, averaged, states, stride, validation, loss_of, log)
    save_checkpoint(
        config.output / "checkpoint",
        Checkpoint(
            weights=averaged.module.state_dict(),
            network=settings,
            channels=channels,
            statistics=stats,
            grid=grid,
            step=step,
            provenance={
                "train": list(data.train),
                "store": config.analysis_store,
                "axialcast": version("axialcast"),
                "torch": torch.__version__,
                "seed": config.seed,
            },
        ),
    )


def fit(
    config: Config,
    network: nn.Module,
    averaged: AveragedModel,
    states: States,
    stride: int,
    validation: WindowLoader,
    loss_of: Loss,
    log: TextIO,
) -> None:
    """The loop: every step one batch, one update, one line in the log."""
    optimizer = torch.optim.AdamW(
        parameter_groups(network, config.train.weight_decay), betas=(0.9, 0.95)
    )
    total = sum(stage.steps for stage in config.train.schedule)
    device = next(network.parameters()).device
    batches = training_batches(config, states, stride, device)
    started = time.perf_counter()
    for step, batch in enumerate(
        track(batches, description="train", total=total, unit="steps"), start=1
    ):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        loss = loss_of(network, batch)
        if not math.isfinite(loss.item()):
            raise ValueError(
                f"train: the loss became {loss.item()} at step {step}; lower train.learning_rate"
            )
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), config.train.gradient_clip)
        optimizer.step()
        averaged.update_parameters(network)
        entry = {"step": step, "loss": loss.item(), "gradient_norm": norm.item()}
        entry["learning_rate"] = optimizer.param_groups[0]["lr"]
        entry["seconds"] = round(time.perf_counter() - started, 3)
        if step % config.train.validate_every == 0 or step == total:
            entry["validation_loss"] = validate_loss(averaged.module, validation, loss_of)
        log.write(json.dumps(entry) + "\n")
        log.flush()


def training_batches(
    config: Config, states: States, stride: int, device: torch.device
) -> Iterator[Batch]:
    """One batch for every optimizer step of the schedule; each stage starts epochs of its own."""
    for number, stage in enumerate(config.train.schedule):
        loader = WindowLoader(
            states,
            input_steps=config.data.input_steps,
            target_steps=stage.rollout_steps,
            step=stride,
            batch_size=config.train.batch_size,
            drop_last=True,
            seed=config.seed * 1000 + number,
            device=device,
        )
        for epoch in range(-(-stage.steps // len(loader))):
            left = stage.steps - epoch * len(loader)
            for _, batch in zip(range(left), loader.epoch(epoch), strict=False):
                yield batch


def validate_loss(model: nn.Module, loader: WindowLoader, loss_of: Loss) -> float:
    """Mean loss over the validation windows."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        losses = [(loss_of(model, batch).item(), len(batch.states)) for batch in loader.epoch(0)]
    model.train(was_training)
    return float(np.average([loss for loss, _ in losses], weights=[n for _, n in losses]))


def learning_rate(config: Config, step: int) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov & Hutter 2017, SGDR, eq. 5).

    The cosine runs over model steps, not optimizer steps, so that stages with long rollouts, few
    as their optimizer steps are, learn at a rate that still changes something.
    """
    left, done, total = step - 1, 0, 0
    for stage in config.train.schedule:
        done += min(left, stage.steps) * stage.rollout_steps
        left -= min(left, stage.steps)
        total += stage.steps * stage.rollout_steps
    warm = min(1.0, step / max(1, config.train.warmup_steps))
    return config.train.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * done / total))


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; gains, biases and positions do not."""
    matrices = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
    chosen = {id(weight) for weight in matrices}
    others = [p for p in network.parameters() if id(p) not in chosen]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
