"""What axial attention is worth: networks of like size, trained for equal minutes on the same data.

    python tests/benchmarks/architectures.py [--folder runs/architectures] [--minutes 2]
        [--data ncep planet] [--kinds axial unet ...] [--rates 2e-3 4e-3]

Data are those of configs/ncep_slp.yaml (AXIALCAST_DATA says where they lie) and the planet of
configs/quickstart.yaml, with their schedules: each network makes as many steps as fit into the
minutes of processor time, by the time that a step of it takes, on one thread. Each is trained at
every rate, and the one whose validation loss is lowest is scored. ConvLSTM and SFNO are networks
by file (tests/benchmarks/networks/); on a region a Fourier neural operator stands in for SFNO.
Prints parameters, steps, processor time of the training and RMSE by lead time, baselines among
them. What is there already is not made again.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from measuring import milliseconds, one_thread

from axialcast.forecast import load_checkpoint
from axialcast.model import rollout
from axialcast.run.config import Config, load_config
from axialcast.run.preflight import check_run
from axialcast.run.shipped import configs
from axialcast.run.stages import run_stages

NETWORKS = Path(__file__).parent / "networks"
CONVLSTM, SFNO = ({"kind": "file", "path": str(NETWORKS / f"{n}.py")} for n in ("convlstm", "sfno"))
DATA: dict[str, dict[str, Any]] = {
    "ncep": {
        "config": "ncep_slp",
        "scored": ("mean_sea_level_pressure", None),
        "axial": None,  # as in the config
        "unet": {"kind": "unet", "dim": 32, "depth": 2},
        "vit": {"kind": "vit", "dim": 128, "depth": 4, "patch": [2, 3, 3]},
        "convlstm": {**CONVLSTM, "options": {"dim": 64, "depth": 2, "patch": [2, 2]}},
        "sfno": {**SFNO, "options": {"dim": 36, "depth": 4, "modes": 6}},
    },
    "planet": {
        "config": "quickstart",
        "scored": ("geopotential", 500.0),
        "axial": None,
        "unet": {"kind": "unet", "dim": 24, "depth": 2},
        "vit": {"kind": "vit", "dim": 96, "depth": 3, "patch": [2, 4, 4]},
        "convlstm": {**CONVLSTM, "options": {"dim": 52, "depth": 2, "patch": [2, 2]}},
        "sfno": {**SFNO, "options": {"dim": 40, "depth": 4}},
    },
}
"""By name: a shipped config, the channel that is scored, and `model:` of each kind."""
LEADS = (24, 48, 72, 120)
BASELINES = ("persistence", "linear_inverse_model", "vector_autoregression")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/architectures"))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    kinds = ["axial", "unet", "vit", "convlstm", "sfno"]
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--rates", nargs="+", type=float, default=[2e-3, 4e-3])
    options = parser.parse_args()
    print(f"{one_thread()}, {options.minutes:g} minutes of processor time each")
    for data in options.data:
        table = Table(data)
        for kind in options.kinds:
            found = [trained(options, data, kind, rate) for rate in options.rates]
            table.add(kind, min(found, key=lambda output: validation(output)))
        table.end()


def trained(options: argparse.Namespace, data: str, kind: str, rate: float) -> Path:
    """The folder of a network's run, made if it is not there."""
    output = options.folder / data / f"{kind}-{rate:g}"
    simulated = planet(options.folder) if data == "planet" else None
    config = config_of(output, data, kind, rate, simulated)
    schedule = [stage.model_dump() for stage in config.train.schedule]
    if not (output / "seconds.json").exists():
        once = step_seconds(config)
        wanted = sum(stage["steps"] * stage["rollout_steps"] for stage in schedule)
        share = 60 * options.minutes / (once * wanted)
        for stage in schedule:
            stage["steps"] = max(1, round(share * stage["steps"]))
        path = output / "fitted.yaml"
        sections = yaml.safe_load((output / "config_.yaml").read_text())
        sections["train"]["schedule"] = schedule
        path.write_text(yaml.safe_dump(sections))
        start = time.process_time()
        run(load_config(path, ["pipeline=train"]))
        seconds = time.process_time() - start
        run(load_config(path, ["pipeline=[forecast,verify]"]))
        steps = sum(stage["steps"] for stage in schedule)
        (output / "seconds.json").write_text(json.dumps({"training": seconds, "steps": steps}))
    return output


def run(config: Config) -> None:
    """Runs its pipelines; the table is all that is printed."""
    with redirect_stdout(StringIO()):
        run_stages(config)


def config_of(output: Path, data: str, kind: str, rate: float, simulated: Path | None) -> Config:
    """The shipped config with another network, as long as it is."""
    sections = yaml.safe_load(configs()[DATA[data]["config"]].read_text("utf-8"))
    sections["pipeline"] = ["train", "forecast", "verify"]
    sections["output"], sections["device"] = str(output), "cpu"
    # On persistence: a linear floor is no network's merit. One network, and one forecast of it.
    shared = {"base": "persistence", "departures": sections["model"].get("departures", "auto")}
    sections["model"] = {**(DATA[data][kind] or sections["model"]), **shared}
    sections["train"] |= {"learning_rate": rate, "members": 1}
    for name in ("members", "perturb"):
        sections["forecast"].pop(name, None)
    baselines = list(BASELINES) if kind == "axial" else ["persistence"]
    sections["verify"] = {"baselines": baselines, "metrics": ["rmse"]}
    sections["forecast"]["init_every_hours"] = 48
    if simulated is not None:
        sections["data"]["store"] = str(simulated)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config_.yaml").write_text(yaml.safe_dump(sections))
    return load_config(output / "config_.yaml")


def planet(folder: Path) -> Path:
    """The quick start's planet, simulated once."""
    output = folder / "simulated"
    path = configs()["quickstart"]
    run(load_config(path, ["pipeline=simulate", f"output={output}"]))
    return output / "analysis.zarr"


def step_seconds(config: Config) -> float:
    """Processor time of a forward and backward pass of one step."""
    preflight = check_run(config)
    assert preflight is not None
    network, times = preflight.network(), preflight.analysis.times[: preflight.data.input_steps]
    shape = (config.train.batch_size, len(times), network.num_channels, *network.shape)
    states = torch.randn(shape)
    when = np.broadcast_to(times, shape[:2])

    def step() -> None:
        [after] = rollout(network, states, when, step=preflight.step, num_steps=1)
        after.square().mean().backward()

    step()
    # The least: what else runs makes a step longer, never shorter.
    return min(milliseconds(step) for _ in range(12)) / 1e3


def validation(output: Path) -> float:
    """The lowest validation loss of a training."""
    return min(
        (float(e["validation_loss"]) for e in log_of(output) if "validation_loss" in e),
        default=math.inf,
    )


def log_of(output: Path) -> Iterator[dict[str, Any]]:
    for line in (output / "log.jsonl").read_text("utf-8").splitlines():
        yield json.loads(line)


class Table:
    """Lines of one set of data, printed as they come."""

    def __init__(self, data: str) -> None:
        self.variable, self.level = DATA[data]["scored"]
        self.outputs: dict[str, Path] = {}
        print(f"\n{data}: RMSE of {self.variable}")
        print(f"{'':22}{'parameters':>11}{'steps':>7}{'s':>6}{'rate':>8}"
              + "".join(f"{f'{lead} h':>8}" for lead in LEADS))  # fmt: skip

    def add(self, kind: str, output: Path) -> None:
        self.outputs[kind] = output
        named = load_checkpoint(output / "checkpoint").weights.items()
        count = sum(t.numel() for name, t in named if name.startswith("body."))
        made = json.loads((output / "seconds.json").read_text())
        rate = output.name.partition("-")[2]
        print(f"{kind:22}{count:>11,}{made['steps']:>7,}{made['training']:>6.0f}{rate:>8}"
              + self.scores("forecast", output), flush=True)  # fmt: skip

    def end(self) -> None:
        for name in BASELINES if "axial" in self.outputs else ():
            print(f"{name:54}" + self.scores(name, self.outputs["axial"]), flush=True)

    def scores(self, model: str, output: Path) -> str:
        table = pd.read_csv(output / "scores.csv")
        rows = table[
            (table.metric == "rmse") & (table.region == "all") & (table.model == model)
            & (table.variable == self.variable)
            & (table.level.isna() if self.level is None else table.level == self.level)
        ]  # fmt: skip
        found = dict(zip(rows.lead_time_hours, rows.value, strict=True))
        return "".join(f"{found[lead]:8.1f}" for lead in LEADS)


if __name__ == "__main__":
    main()
