"""What a coarse network is worth to a fine one: the nature run at T42, from scratch and from T21.

    python tests/benchmarks/coarse_to_fine.py [--folder runs/coarse_to_fine]
        [--steps 50 100 200 400] [--patch 4] [--parent-steps 600]

Simulates three and a half years of a planet at T21 and of one at T42 (each its own weather), trains
a network on the coarse one, and on the fine one networks of so many steps each, from scratch and
starting from the coarse one's. Every training has a whole schedule of its own, so that rows may be
compared. Prints the root-mean-square error of 500 hPa geopotential in half a year that none has
seen, what training took, and after how many steps the warm start is where the cold one ends. What
is there already is not made again.
"""

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path

import pandas as pd
from measuring import machine

from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = """
pipeline: [train, forecast, verify]
output: {folder}/{name}
device: cpu
data:
  store: {folder}/planet{truncation}/analysis.zarr
  variables: [geopotential, u_component_of_wind, v_component_of_wind]
  train: ["2001", "2002"]
  validate: ["2003-01", "2003-02"]
  test: ["2004-01", "2004-06"]
  step_hours: 24
model: {{dim: 96, depth: 3, heads: 4, patch: [2, {patch}, {patch}], reversible: false}}
train:
  batch_size: 16
  warmup_steps: {warmup}
  validate_every: {steps}
  learning_rate: {rate}
  keep: last
  start_from: {start}
  schedule: [{{steps: {steps}}}]
forecast: {{lead_time_hours: 72, init_every_hours: 48}}
verify: {{baselines: [persistence], metrics: [rmse]}}
"""
COARSE, FINE = 21, 42
LEADS = (24, 72)


class Runs:
    """Trainings in one folder.

    Args:
        folder: of them.
        patch: rows and columns of the fine grid in a patch; of the coarse one half as many.
        parent_steps: of the coarse training.
    """

    def __init__(self, folder: Path, patch: int, parent_steps: int) -> None:
        self.folder, self.patch, self.parent_steps = folder, patch, parent_steps
        folder.mkdir(parents=True, exist_ok=True)

    def simulate(self, truncation: int) -> None:
        path = self.folder / f"planet{truncation}.yaml"
        path.write_text(
            f"pipeline: simulate\noutput: {self.folder}/planet{truncation}\n"
            f"simulate: {{start: '2001-01-01', end: '2004-06-30', truncation: {truncation}}}\n"
        )
        run_stages(load_config(path))

    def parent(self) -> Path:
        """The coarse training's folder; its patches cover as much of the globe."""
        return self._run("coarse", COARSE, self.parent_steps, self.patch // 2, None)

    def fine(self, steps: int, start: Path | None) -> Path:
        name = f"{'cold' if start is None else 'warm'}_{self.patch}_{steps}"
        return self._run(name, FINE, steps, self.patch, start)

    def _run(self, name: str, truncation: int, steps: int, patch: int, start: Path | None) -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(
            CONFIG.format(
                folder=self.folder,
                name=name,
                truncation=truncation,
                patch=patch,
                steps=steps,
                warmup=max(1, min(50, steps // 4)),
                rate=2e-3 if start is None else 1e-3,
                start="null" if start is None else start,
            )
        )
        run_stages(load_config(path))
        return self.folder / name


def errors(run: Path, model: str = "forecast") -> list[float]:
    """RMSE of 500 hPa geopotential (m² s⁻²) at each of LEADS."""
    table = pd.read_csv(run / "scores.csv")
    is_ours = (table.metric == "rmse") & (table.region == "all") & (table.model == model)
    rows = table[is_ours & (table.variable == "geopotential") & (table.level == 500)]
    return rows.set_index("lead_time_hours").value.loc[list(LEADS)].tolist()


def seconds(run: Path) -> float:
    return float(json.loads((run / "log.jsonl").read_text().splitlines()[-1])["seconds"])


def steps_to(goal: float, curve: list[tuple[int, float]]) -> float:
    """Where a falling curve of (steps, error) reaches a goal, in log(steps) linearly; NaN: not."""
    if curve[0][1] <= goal:
        return curve[0][0]
    for (a, high), (b, low) in pairwise(curve):
        if low <= goal < high:
            share = (high - goal) / (high - low)
            return math.exp(math.log(a) + share * (math.log(b) - math.log(a)))
    return math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/coarse_to_fine"))
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--patch", type=int, default=4, choices=(2, 4, 8))
    parser.add_argument("--parent-steps", type=int, default=600)
    options = parser.parse_args()
    runs = Runs(options.folder, options.patch, options.parent_steps)
    for truncation in (COARSE, FINE):
        runs.simulate(truncation)
    parent = runs.parent()
    found = {
        "cold": {steps: runs.fine(steps, None) for steps in options.steps},
        "warm": {steps: runs.fine(steps, parent) for steps in [1, *options.steps]},
    }
    leads = " / ".join(f"{lead} h" for lead in LEADS)
    print(f"{machine()}; patches of {options.patch} x {options.patch}; RMSE at {leads}, seconds")
    print(f"T{COARSE}, {options.parent_steps} steps, on its own planet: {_row(parent)}")
    print(f"persistence: {_words(errors(found['warm'][1], 'persistence'))}")
    for steps in [1, *options.steps]:
        cells = (f"{kind} {_row(of[steps])}" for kind, of in found.items() if steps in of)
        print(f"{steps:5} steps: {', '.join(cells)}")
    for place, lead in enumerate(LEADS):
        warm = [(steps, errors(run)[place]) for steps, run in found["warm"].items()]
        for steps, run in found["cold"].items():
            needed = steps_to(errors(run)[place], warm)
            print(f"{lead} h: what {steps} steps from scratch reach takes {needed:.0f} warm ones")


def _row(run: Path) -> str:
    return f"{_words(errors(run))} ({seconds(run):.0f} s)"


def _words(numbers: list[float]) -> str:
    return " / ".join(f"{number:.0f}" for number in numbers)


if __name__ == "__main__":
    main()
