"""What trackers keep, read back from their own files: once each, whatever ended when."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from axialcast.run import tracking
from axialcast.run.tracking import FOLDER, require_tracker, tracked


def lines(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"step": step, "loss": 1 / step, "seconds": 2.0 * step, **more}
        for step in range(first, last + 1)
    ]


def train(kind: str, output: Path, first: int, last: int) -> None:
    """Goes on from a log of `first - 1` lines."""
    output.mkdir(exist_ok=True)
    log = output / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines(1, first - 1)))
    with tracked(kind, output, log) as tell:
        for line in lines(first, last):
            tell(line)


def read(kind: str, output: Path) -> list[tuple[int, float]]:
    """(step, loss) as the tracker's own reader finds them."""
    folder = output / FOLDER / kind
    if kind == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars("loss")]
    if kind == "wandb":
        # A run that is resumed offline has a file for each start, and says again what it repeats.
        starts = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
        rows = [row for path in starts for row in wandb_rows(path.read_bytes())]
        return sorted({int(row["step"]): row["loss"] for row in rows}.items())
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    [run] = client.search_runs([client.get_experiment_by_name("axialcast").experiment_id])
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")]


def wandb_rows(content: bytes) -> Iterator[dict[str, float]]:
    """Of a file of LevelDB's log format: records in blocks of 32 KiB, in parts of 7 bytes more."""
    from wandb.proto.wandb_internal_pb2 import Record

    place, record = 7, b""
    while place + 7 <= len(content):
        if (left := 2**15 - place % 2**15) < 7:
            place += left
            continue
        _, length, part = struct.unpack_from("<IHB", content, place)
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # whole, or the last part
            found = Record.FromString(record)
            record = b""
            if found.HasField("history"):
                yield {one.nested_key[0]: json.loads(one.value_json) for one in found.history.item}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_a_series_goes_on_where_the_log_does(kind: str, tmp_path: Path) -> None:
    pytest.importorskip(kind, reason=f"pip install 'axialcast[{kind}]'")
    output = tmp_path / "run"
    train(kind, output, 1, 7)
    train(kind, output, 5, 9)  # from a state before the end
    train(kind, output, 12, 13)  # what was lost is in the log
    found = read(kind, output)
    assert [step for step, _ in found] == [*range(1, 14)]
    assert [loss for _, loss in found] == pytest.approx([1 / step for step in range(1, 14)])


def test_its_database_is_python_s_own_whatever_is_read() -> None:
    """ecCodes brings an SQLite too old for MLflow, which whoever is first decides on."""
    pytest.importorskip("eccodes", exc_type=(ImportError, RuntimeError))
    versions = {
        subprocess.check_output(
            [sys.executable, "-c", f"{first}import sqlite3; print(sqlite3.sqlite_version)"]
        )
        for first in ("", "import axialcast.run.tracking, eccodes; ")
    }
    assert len(versions) == 1, versions


def test_one_that_fails_is_said_once_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from axialcast.run import trackers

    class Broken:
        def __init__(self, *_: object) -> None:
            self.taken = 0

        def add(self, step: int, values: object) -> None:
            if step == 3:
                raise RuntimeError("the server\nis away")

    monkeypatch.setitem(trackers.KINDS, "wandb", Broken)
    train("wandb", tmp_path / "run", 1, 9)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("train: train.track: wandb fails and is left out from here on (the serv")


def test_none_makes_nothing_and_a_missing_package_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracked(None, tmp_path, tmp_path / "log.jsonl") as tell:
        tell({"step": 1})
    assert not [*tmp_path.iterdir()]
    monkeypatch.setitem(tracking.PACKAGES, "mlflow", "no_such_package")
    with pytest.raises(ValueError, match=r"pip install 'axialcast\[mlflow\]'"):
        require_tracker("mlflow")
