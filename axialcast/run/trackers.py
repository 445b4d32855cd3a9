"""The kinds of tracker: each writes numbers by name and step into files of its own."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["KINDS", "MLflow", "TensorBoard", "Tracker", "Wandb"]

ID = "run.txt"
"""Which of its runs a tracker goes on with."""


class Tracker(Protocol):
    """Keeps numbers by name and step.

    Args of constructors: folder, for its files; name, of the run; after, (member, step) that it
    has already, behind which everything is given again.
    """

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of a step."""

    def flush(self) -> None:
        """Has all on the disk."""

    def close(self) -> None:
        """Ends it."""


class TensorBoard:
    """Event files: `tensorboard --logdir <output>/tracked/tensorboard`."""

    def __init__(self, folder: Path, name: str, after: tuple[int, int]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Of one network, what comes after is given again and forgotten where it was before.
        purge = after[1] + 1 if after[1] and not after[0] else None
        self._writer: Any = SummaryWriter(str(folder), purge_step=purge)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class MLflow:
    """A database of SQLite: `mlflow ui --backend-store-uri sqlite:///<output>/tracked/mlflow/…`."""

    def __init__(self, folder: Path, name: str, after: tuple[int, int]) -> None:
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        known = folder / ID
        if known.exists():
            self._run = known.read_text("utf-8")
            self._client.update_run(self._run, "RUNNING")
        else:
            where = (folder.resolve() / "artifacts").as_uri()
            found = self._client.get_experiment_by_name("axialcast")
            experiment = found.experiment_id if found else None
            experiment = experiment or self._client.create_experiment("axialcast", where)
            self._run = self._client.create_run(experiment, run_name=name).info.run_id
            known.write_text(self._run, "utf-8")
        self._had = {
            key: max(one.step for one in self._client.get_metric_history(self._run, key))
            for key in self._client.get_run(self._run).data.metrics
        }
        self._waiting: list[Any] = []

    def add(self, step: int, values: Mapping[str, float]) -> None:
        import time

        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._waiting += [
            Metric(name, value, now, step)
            for name, value in values.items()
            if step > self._had.get(name, 0)  # it would have both
        ]
        if len(self._waiting) >= 900:  # it takes a thousand at once
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._client.log_batch(self._run, metrics=self._waiting)
            self._waiting = []

    def close(self) -> None:
        self.flush()
        self._client.set_terminated(self._run)


class Wandb:
    """Files of an offline run, which `wandb sync` sends where somebody wants that."""

    def __init__(self, folder: Path, name: str, after: tuple[int, int]) -> None:
        import wandb

        known = folder / ID
        if not known.exists():
            known.write_text(uuid.uuid4().hex[:8], "utf-8")
        self._run: Any = wandb.init(
            project="axialcast",
            name=name,
            id=known.read_text("utf-8"),
            dir=str(folder),
            resume="allow",
            mode="online" if os.environ.get("WANDB_MODE") == "online" else "offline",
            settings=wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric("*", step_metric="step")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def flush(self) -> None:
        """It writes as lines come."""

    def close(self) -> None:
        self._run.finish()


KINDS = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": Wandb}
"""By the word in `train.track`."""
