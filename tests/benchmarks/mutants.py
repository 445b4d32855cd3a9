"""Breaks axialcast in named ways, one at a time in a copy, and shows which test notices.

    python tests/benchmarks/mutants.py            # all of them, some seconds each
    python tests/benchmarks/mutants.py report     # those of tests/report

Each is a mistake that leaves runs which look right. If one survives, this ends with status 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("axialcast", "pipelines", "configs", "tests")
LOOP, OPTIMIZATION = "axialcast/training/loop.py", "axialcast/training/optimization.py"
FIGURES, PAGE = "axialcast/report/figures.py", "axialcast/report/page.py"

# By folder of tests: a name, a file, what stands there once, and what stands there instead.
MUTANTS = {
    "training": [
        ("no clipping", LOOP, "parameters(), self._gradient_clip)", "parameters(), 1e9)"),
        ("no weight decay", OPTIMIZATION, "((matrices, weight_decay)", "((matrices, 0.0)"),
        (
            "validation on raw weights",
            LOOP,
            "module, total = self.averaged.module,",
            "module, total = self.network,",
        ),
        ("bfloat16 never on", "axialcast/device.py", '= "bfloat16" or', '= "never" or'),
        ("the same order every epoch", LOOP, "in self._loader:", "in self._loader.epoch(0):"),
        ("the schedule never applied", LOOP, 'group["lr"] = rate', 'group["lr"] = 1e-3'),
        ("rollouts stay as they begin", LOOP, "self._windows(self._stage)", "self._windows(0)"),
        (
            "averaged weights not kept",
            LOOP,
            "entry.validation_rmse, module)",
            "entry.validation_rmse, self.network)",
        ),
    ],
    "report": [
        (
            "curves doubled",
            FIGURES,
            "scores.sel(model=model).values",
            "2 * scores.sel(model=model)",
        ),
        ("scorecard signs flipped", PAGE, "100 * (row.sel(", "-100 * (row.sel("),
        ("scorecard colours swapped", FIGURES, '"RdBu_r", vmin', '"RdBu", vmin'),
        ("maps upside down", FIGURES, "contourf(columns, rows,", "contourf(columns, rows[::-1],"),
        ("error reversed", PAGE, "one.values - truth.values", "truth.values - one.values"),
    ],
}


def failing(tests: str, folder: Path) -> str | None:
    """The first test of a folder of tests that fails in a copy."""
    command = [sys.executable, "-Bm", "pytest", "-xq", "-p", "no:cacheprovider", f"tests/{tests}"]
    command += ["--deselect", "tests/training/test_killed.py"]
    # Run in the copy, whose axialcast then comes before the one that is installed.
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", result.stdout, re.MULTILINE)
    assert result.returncode == 0 or found, result.stdout + result.stderr
    return found.group(1) if found else None


def main(*chosen: str) -> None:
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for tests in chosen or MUTANTS:
            test = failing(tests, folder)
            assert test is None, f"{test} fails with nothing broken"
            for mutant, path, old, new in MUTANTS[tests]:
                text = (folder / path).read_text("utf-8")
                assert text.count(old) == 1, f"{mutant}: {path} is another; mend this list"
                (folder / path).write_text(text.replace(old, new), "utf-8")
                outcomes.append(failing(tests, folder))
                (folder / path).write_text(text, "utf-8")
                print(f"{mutant:28} {outcomes[-1] or 'SURVIVES'}", flush=True)
    print(f"{len(outcomes) - outcomes.count(None)} of {len(outcomes)} are noticed")
    sys.exit(None in outcomes)


if __name__ == "__main__":
    main(*sys.argv[1:])
