"""A training of a few steps that takes a moment and has every kind of border in it."""

import json
import runpy
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from axialcast.run.config import load_config
from axialcast.stopping import Stopped
from axialcast.training import Log

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "pipeline=train",
    "device=cpu",
    "data.variables=[geopotential,mean_sea_level_pressure]",
    "data.levels=null",
    "data.train=[2001-01-01,2001-02-13]",  # an epoch is five batches
    "data.validate=[2001-02-14,2001-02-20]",
    "data.test=[2001-02-21,2001-02-28]",
    "model={dim: 8, depth: 2, heads: 2, patch: [1, 2, 2], dropout: 0.2}",
    "train.schedule=[{steps: 7, rollout_steps: 1}, {steps: 6, rollout_steps: 2}]",
    "train.batch_size=8",
    "train.learning_rate=1e-2",
    "train.ema_decay=0.9",
    "train.warmup_steps=2",
    "train.validate_every=4",
]


STEPS = 13


class Runner(NamedTuple):
    """Runs `pipelines/train.py` in this process, with one store."""

    pipeline: Callable
    store: Path

    def config(self, output: Path, *overrides: str):
        settings = [*SETTINGS, f"data.store={self.store}", f"output={output}", *overrides]
        return load_config(ROOT / "configs" / "smallest.yaml", settings)

    def __call__(self, output: Path, *overrides: str, stop: int = 0, patient: bool = True) -> None:
        """Trains; SIGTERM comes when the line of step `stop`, counted on from one member to the
        next, is written.

        If `patient`, each step waits until the state before it is written, so that each is saved.
        """
        write = Log.write

        def write_and_stop(self, entry):
            write(self, entry)
            for thread in threading.enumerate() if patient else ():
                if thread.name == "axialcast-saving":
                    thread.join()
            if entry.step + STEPS * (entry.member or 0) == stop:
                signal.raise_signal(signal.SIGTERM)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Log, "write", write_and_stop)
            self.pipeline(self.config(output, *overrides))

    def stopped_at(self, step: int, output: Path, *overrides: str, patient: bool = True) -> Stopped:
        """Trains until SIGTERM comes."""
        with pytest.raises(Stopped) as stopped:
            self(output, *overrides, stop=step, patient=patient)
        return stopped.value


@pytest.fixture(scope="session")
def pipeline() -> Callable:
    return runpy.run_path(str(ROOT / "pipelines" / "train.py"))["run"]


@pytest.fixture(scope="session")
def runner(make_analysis, tmp_path_factory, pipeline) -> Runner:
    path = tmp_path_factory.mktemp("training") / "analysis.zarr"
    analysis = make_analysis(num_times=60)
    chunks = {name: {"chunks": (4, *v.shape[1:])} for name, v in analysis.data_vars.items()}
    analysis.to_zarr(path, encoding=chunks, zarr_format=3, consolidated=False)
    return Runner(pipeline, path)


def entries(output: Path) -> list[dict]:
    """The log without its clock."""
    lines = (output / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="session")
def reference(runner, tmp_path_factory) -> Path:
    """The output of a training that nobody touched."""
    output = tmp_path_factory.mktemp("reference")
    runner(output)
    return output


@pytest.fixture(scope="session", name="entries")
def _entries():
    return entries


@pytest.fixture(scope="session")
def same():
    """A function that asserts that two outputs are the same to the bit."""

    def check(output: Path, reference: Path) -> None:
        assert entries(output) == entries(reference)
        for name in ("weights.safetensors", "model.json"):
            path = Path("checkpoint", name)
            assert (output / path).read_bytes() == (reference / path).read_bytes()

    return check
