"""What a trained network is worth to another region of which there are few data.

    python tests/benchmarks/another_region.py [--folder runs/coarse_to_fine] [--steps 100]

On the nature run at T21: networks of a region of which one year is known, from scratch, from a
network of the globe and from one of a region on the other side, both trained on two years, with all
parts learning or some frozen or slower. Prints the root-mean-square error of 500 hPa geopotential
in half a year that none has seen. Shares the folder, the planet and the network of the globe with
coarse_to_fine.py.
"""

import argparse
from pathlib import Path

from coarse_to_fine import LEADS, Runs, errors
from measuring import machine

from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

HERE = "{latitude: [20, 80], longitude: [200, 320]}"
ELSEWHERE = "{latitude: [20, 80], longitude: [20, 140]}"
WAYS = {
    "from scratch": [],
    "from the globe": ["{globe}"],
    "from the globe, [embed, features] frozen": ["{globe}", "train.freeze=[embed, features]"],
    "from the globe, [blocks] frozen": ["{globe}", "train.freeze=[blocks]"],
    "from the globe, carried_rate 0.3": ["{globe}", "train.carried_rate=0.3"],
    "from the other region": ["{other}"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/coarse_to_fine"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--parent-steps", type=int, default=400)
    options = parser.parse_args()
    folder, runs = options.folder, Runs(options.folder, 4, options.parent_steps)
    runs.simulate(21)
    globe = runs.parent()

    def region(name: str, box: str, steps: int, *overrides: str) -> Path:
        config = load_config(
            folder / "coarse.yaml",
            [
                *(f"output={folder}/{name}", f"data.region={box}"),
                *(f"train.schedule=[{{steps: {steps}}}]", f"train.validate_every={steps}"),
                *overrides,
            ],
        )
        run_stages(config)
        return folder / name

    other = region("other", ELSEWHERE, options.parent_steps)
    starts = {"globe": f"train.start_from={globe}", "other": f"train.start_from={other}"}
    few = ("data.train=[2001, 2001]", "train.warmup_steps=20")
    found = {
        way: region(
            f"region{number}_{options.steps}",
            HERE,
            options.steps,
            *few,
            *(key.format(**starts) for key in keys),
            *(["train.learning_rate=1e-3"] if keys else []),
        )
        for number, (way, keys) in enumerate(WAYS.items())
    }
    leads = " / ".join(f"{lead} h" for lead in LEADS)
    print(f"{machine()}; {options.steps} steps; RMSE at {leads}")
    for way, run in found.items():
        print(f"{way:42} {' / '.join(f'{error:.0f}' for error in errors(run))}")
    persistence = errors(next(iter(found.values())), "persistence")
    print(f"{'persistence':42} {' / '.join(f'{error:.0f}' for error in persistence)}")


if __name__ == "__main__":
    main()
