"""What is lost when 5,000 forecasts are stopped half-way, and what ten more cost.

    python tests/benchmarks/hindcast.py [--init-times 5000] [--folder runs/hindcast]

Simulates and trains once, then makes and verifies forecasts in processes of their own: all in one
go; killed (SIGKILL) when half are complete, then gone on with; then with ten more initial times.
Prints seconds, and shares of the one go, each less what the stage takes where nothing is left to do
(a process starts, opens what it needs, fits the baselines and draws the report).
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from measuring import machine

from axialcast.forecast import ForecastStore

CONFIG = """
pipeline: [simulate, train]
output: {output}
device: cpu
simulate: {{start: "2001-01-01", end: "2004-12-31", truncation: 10, spinup_days: 60}}
data:
  variables: [geopotential, u_component_of_wind, v_component_of_wind]
  train: ["2001-01-01", "2001-02-28"]
  validate: ["2001-03-01", "2001-03-10"]
  test: ["2001-03-11", "{last}"]
model: {{dim: 64, depth: 2, heads: 4}}
train: {{schedule: [{{steps: 5}}], batch_size: 8}}
forecast: {{lead_time_hours: 120, batch_size: 16}}
verify: {{harmonics: 0}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--init-times", type=int, default=5000)
    parser.add_argument("--folder", type=Path, default=Path("runs/hindcast"))
    options = parser.parse_args()
    folder, num = options.folder, options.init_times
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"{machine()}, {num:,} initial times, 20 lead times, 9 channels of 16 x 32")

    def config(num_inits: int, output: Path) -> Path:
        last = np.datetime64("2001-03-11T00", "h") + 6 * (num_inits - 1)
        path = folder / "hindcast.yaml"
        path.write_text(CONFIG.format(output=output, last=f"{last}:00"))
        return path

    whole, parts = folder / "whole", folder / "parts"
    run(config(num, whole))
    shutil.copytree(whole, parts, ignore=shutil.ignore_patterns(".held.json"))
    one, nothing = {}, {}
    for stage in ("forecast", "verify"):
        one[stage] = run(config(num, whole), f"pipeline={stage}")
        (whole / ".stages" / f"{stage}.json").unlink()
        nothing[stage] = run(config(num, whole), f"pipeline={stage}")
        until = partial(is_half, stage, parts, whole)
        run(config(num, parts), f"pipeline={stage}", until=until)
        rest = run(config(num, parts), f"pipeline={stage}")
        show(f"{stage}: in one go", one[stage], nothing[stage], one[stage])
        show(f"{stage}: the half that was left", rest, nothing[stage], one[stage])
    differing = subprocess.run(["diff", "-rq", whole / "forecast.zarr", parts / "forecast.zarr"])
    scores = [(path / "scores.nc").read_bytes() for path in (whole, parts)]
    same = differing.returncode == 0 and scores[0] == scores[1]
    print(f"store and scores of both: {'the same bytes' if same else 'DIFFER'}")
    for stage in ("forecast", "verify"):
        more = run(config(num + 10, whole), f"pipeline={stage}")
        show(f"{stage}: ten more", more, nothing[stage], one[stage])


def is_half(stage: str, output: Path, whole: Path) -> bool:
    """Whether half of a stage's work is done, compared with the run that has all of it."""
    if stage == "verify":
        done, every = (len(list((path / ".sums").glob("*.sums"))) for path in (output, whole))
        return done >= every / 2
    if not (output / "forecast.zarr" / ".inventory" / "labels.json").exists():
        return False
    done, every = (
        len(ForecastStore(path / "forecast.zarr").complete()) for path in (output, whole)
    )
    return done >= every / 2


def run(path: Path, *overrides: str, until=None) -> float:
    """Seconds that the command takes; it is killed as soon as `until` says so."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "axialcast", "run", str(path), *overrides]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while until is not None and process.poll() is None:
            if until():
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
    assert process.returncode == (0 if until is None else -9), process.returncode
    return time.perf_counter() - start


def show(what: str, seconds: float, nothing: float, one: float) -> None:
    share = (seconds - nothing) / (one - nothing)
    print(f"{what:<32} {seconds:7.1f} s {100 * share:7.1f} %", flush=True)


if __name__ == "__main__":
    main()
