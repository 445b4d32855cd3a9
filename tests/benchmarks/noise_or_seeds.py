"""One network given noise, or several seeds: python tests/benchmarks/noise_or_seeds.py STORE

At equal cost. STORE is the analysis.zarr that the pipeline simulate of configs/quickstart.yaml
writes; both are trained on its 2001 to 2003 for the same processor time: NUM networks from seeds,
with the quick start's schedule, and one network conditioned on noise, as long as these together.
Of the forecasts of 2005 the table shows, by lead time and as means over the channels in standard
deviations of the analysis: the fair CRPS of the ensemble, the RMSE of its mean, and the ratio of
spread to skill (Fortin et al. 2014, eq. 15), which is 1 where members are as far apart as they are
from the truth. The seeds' CRPS is fair, too: of as many members as one likes of their kind.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from measuring import one_thread

from axialcast.data import States, WindowLoader, open_analysis
from axialcast.model.crps import almost_fair_crps
from axialcast.run.config import load_config
from axialcast.run.training import training_of
from axialcast.run.training_data import TrainingData
from axialcast.training import Processes

ROOT = Path(__file__).parents[2]
NUM, MEMBERS, LEADS, EVERY = 4, 8, 5, 12


def made(store, seed, steps, overrides=()):
    """A training of the quick start before its first step; its data and config."""
    single, rolled = steps
    schedule = f"[{{steps: {single}}}, {{steps: {rolled}, rollout_steps: 3}}]"
    said = [f"data.store={store}", "pipeline=[train]", f"seed={seed}", "device=cpu"]
    # Noise allows no linear floor, so that seeds have none either.
    said += ["model.base=persistence"]
    # The last weights count, and a month of validation, which is not to be timed.
    said += ["train.keep=last", "data.validate=[2004-01,2004-01]", "train.validate_every=1000000"]
    said += [f"train.schedule={schedule}", *overrides]
    config = load_config(ROOT / "configs" / "quickstart.yaml", said)
    torch.manual_seed(seed)
    data = TrainingData.of(config)
    given = {"config": config, "data": data, "parent": None, "processes": Processes()}
    return training_of(**given, device=torch.device("cpu")), data, config


def trained(training):
    """Processor seconds that it took."""
    began = time.process_time()
    for _ in training.updates():
        pass
    return time.process_time() - began


def windows(data, config, length):
    """Those of the year that nobody trained on."""
    analysis = open_analysis(config.analysis_store, **config.opening).sel(
        time=slice("2005", "2005")
    )
    states = States(analysis, data.channels, data.statistics)
    return WindowLoader(
        states,
        input_steps=2,
        target_steps=length,
        step=data.stride,
        stride=EVERY * data.stride + 1,
        batch_size=8,
        shuffle=False,
    )


def scores(forecasts):
    """(3, k): fair CRPS, RMSE of the mean and spread over skill of (errors (m, b, k, c, h, w),
    area weights (h, w)), batch by batch."""
    sums, count = 0.0, 0.0
    for errors, area in forecasts:
        num = len(errors)
        if num == 1:
            crps, spread = errors[0].abs(), torch.zeros_like(errors[0])
        else:
            crps, spread = almost_fair_crps(errors, 1.0), errors.var(0) * (num + 1) / num
        found = torch.stack([crps, errors.mean(0) ** 2, spread]).double()
        sums = sums + (found * area).mean((-2, -1)).sum(1)
        count += errors.shape[1]
    crps, square, spread = sums / count
    ratio = (spread.mean(-1) / square.mean(-1)).sqrt()
    return torch.stack([crps.mean(-1), square.sqrt().mean(-1), ratio])


def errors_of(trainings, data, config, samples):
    """Errors of the members of several networks, of `samples` each."""
    area = torch.tensor(data.grid.area_weights).float()
    for batch in windows(data, config, LEADS).epoch(0):
        members = []
        for training in trainings:
            network = training.averaged.module.eval()
            task = replace(training.task, loss=replace(training.task.loss, samples=samples))
            with torch.inference_mode():
                members.append(task.forecast(network, batch) - batch.targets)
        yield torch.cat(members), area


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="analysis.zarr of the quick start")
    parser.add_argument("--share", type=float, default=1.0, help="of the quick start's steps")
    parser.add_argument("overrides", nargs="*", help="of the network given noise: model.noise=8")
    asked = parser.parse_intermixed_args()
    print(one_thread())
    shipped = load_config(ROOT / "configs" / "quickstart.yaml").train.schedule
    steps = [round(asked.share * stage.steps) for stage in shipped]
    seeds = [made(asked.store, seed, steps)[0] for seed in range(NUM)]
    cost = sum(map(trained, seeds))
    overrides = ["model.noise=4", *asked.overrides]
    probe = trained(made(asked.store, 0, (8, 2), overrides)[0]) / trained(
        made(asked.store, 0, (8, 2))[0]
    )
    longer = [round(NUM * n / probe) for n in steps]
    noisy, data, config = made(asked.store, 0, longer, overrides)
    print(f"seconds: {NUM} seeds {cost:.0f}, noise {trained(noisy):.0f} ({longer} steps)")
    for name, trainings, samples in (
        ("one seed", seeds[:1], 1),
        (f"{NUM} seeds", seeds, 1),
        (f"noise, {NUM} members", [noisy], NUM),
        (f"noise, {MEMBERS} members", [noisy], MEMBERS),
    ):
        found = scores(errors_of(trainings, data, config, samples)).tolist()
        for word, values in zip(("CRPS", "RMSE of the mean", "spread / skill"), found, strict=True):
            print(f"{name:18} {word:17}" + "".join(f" {value:6.3f}" for value in values))


if __name__ == "__main__":
    main()
