"""Speed of the nature run: `python tests/benchmarks/nature_run.py [--truncation 21] [--days 365]`.

Prints simulated years per minute, spin-up aside, on one thread.
"""

import argparse
import os
import platform
import time

from axialcast.planet.nature_run import nature_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truncation", type=int, default=21)
    parser.add_argument("--days", type=int, default=365)
    arguments = parser.parse_args()
    blocks = nature_run(
        start="2001-01-01",
        end="2100-12-31",
        truncation=arguments.truncation,
        spinup_days=1,
        block_days=5,
    )
    next(blocks)
    wall, cpu, num_days = time.perf_counter(), time.process_time(), 0
    while num_days < arguments.days:
        num_days += next(blocks).sizes["time"] // 4
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    years = num_days / 365.2425
    print(f"machine: {platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"T{arguments.truncation}: {years * 60 / wall:.2f} years per minute")
    print(f"{wall / years:.1f} s per year by the clock, {cpu / years:.1f} s of processor time")


if __name__ == "__main__":
    main()
