"""Seconds until a report is seen: its page loaded, its first text and its maps drawn.

    python tests/benchmarks/opening_report.py runs/quickstart/report.html

Each time in headless Chromium with a new profile, in a window of 1200 × 900, from the start of the
navigation as the browser counts it (Performance API).
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from browser import CHROMIUM, chromium

PAINT = "performance.getEntriesByName('first-contentful-paint')"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
MOMENTS = {
    "first contentful paint": f"{PAINT}[0].startTime",
    "load event's end": LOADED,
    "maps drawn": "performance.getEntriesByName('maps drawn')[0]?.startTime",
}


def opened(report: Path) -> dict[str, float | None]:
    """Milliseconds to each moment, of a browser that has not opened anything before."""
    # Its processes may write a moment longer than it lives.
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with folder as profile, chromium(Path(profile)) as browser:
        browser.open(report)
        browser.until(f"{LOADED} > 0 && {PAINT}.length > 0")
        return {name: browser.value(expression) for name, expression in MOMENTS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path, help="a report.html")
    parser.add_argument("--times", type=int, default=9, help="that it is opened")
    options = parser.parse_args()
    if CHROMIUM is None:
        parser.error("no chromium on this machine; install it, for instance with apt-get")
    if not options.report.is_file():
        parser.error(f"{options.report}: not there; name the report.html of a run")
    found = [opened(options.report.resolve()) for _ in range(options.times)]
    print(f"{machine()}; {options.report.stat().st_size / 1e6:.2f} MB, opened {len(found)} times")
    print(f"{'seconds':<24}{'median':>8}{'least':>8}{'most':>8}")
    for name in MOMENTS:
        seconds = [one[name] / 1e3 for one in found if one[name] is not None]
        if seconds:
            row = (statistics.median(seconds), min(seconds), max(seconds))
            print(f"{name:<24}" + "".join(f"{value:>8.2f}" for value in row))


if __name__ == "__main__":
    main()
