"""What is told of a training while it runs, against numbers by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axialcast.run import log_lines as reading
from axialcast.run.curve import BARS, Curve, sparkline
from axialcast.run.log_lines import log_lines
from axialcast.run.watch import Plan, Watch


def line(step: int, loss: float = 1.0, **more: Any) -> dict[str, Any]:
    """A line of a log in which each step takes two seconds."""
    return {"step": step, "loss": loss, "seconds": 2.0 * step, **more}


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_a_curve_is_the_means_of_equal_stretches() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    curve = Curve(most=7)
    for step, value in enumerate(values, start=1):
        curve.add(step, value)
    # The shortest power of two of which no more than 7 stretches are needed: 256.
    expected = [values[start : start + 256].mean() for start in range(0, 1000, 256)]
    np.testing.assert_allclose(curve.means(), expected)


def test_a_line_of_bars_is_logarithmic() -> None:
    assert sparkline([1, 10, 100], 3) == BARS[0] + BARS[4] + BARS[7]
    assert sparkline([1, 1, 1, 1], 2) == BARS[0] * 2
    assert sparkline([-1, 0, 1], 3) == BARS[0] + BARS[4] + BARS[7]
    assert sparkline([1.0], 3) == sparkline([1, 2], 0) == ""
    assert len(sparkline(range(1, 1000), 31)) == 31


def test_losses_pace_and_time_left() -> None:
    watch = Watch(Plan([(10, 1), (5, 3)], members=2, batch_size=7), lambda: 3 * 10**9)
    assert (watch.lines(80), watch.words(), watch.seconds_left) == ([], "", None)
    for step in range(1, 13):
        found = {"validation_loss": 0.25 + step / 100, "validation_rmse": 0.5}
        watch.add(line(step, 1 / step, member=0, **(found if step % 4 == 0 else {})))
    assert watch.loss == pytest.approx(np.mean([1 / step for step in range(1, 13)]))
    assert watch.samples_per_second == pytest.approx(3.5)
    # Model steps: 9 + 6 were made in 22 s, 9 are left of this member and 25 of the next.
    assert watch.seconds_left == pytest.approx(34 * 22 / 15)
    assert watch.lines(80, curves=False) == [
        "member 0 (1 of 2), stage 2 of 2, 3 steps ahead",
        "loss 0.2586",
        "validation 0.37, RMSE 0.5, best 0.29 at step 4",
        "3.5 samples/s, 3 GB of memory at most",
    ]
    assert watch.words() == "loss 0.2586, validation 0.37"
    watch.add(line(1, member=1))
    assert watch.lines(80)[0] == "member 0: validation 0.37, RMSE 0.5, best 0.29 at step 4"
    assert watch.seconds_left is None  # until the pace of this one is known


@pytest.mark.parametrize("width", [20, 43, 44, 81])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    watch = Watch(Plan([(90, 1)], batch_size=7), lambda: 10**9)
    for step in range(1, 80):
        watch.add(line(step, 1 / step, validation_loss=1 / step, validation_crps=0.1))
    lines = watch.lines(width)
    assert max(map(len, lines)) <= width
    assert (BARS[0] in "".join(lines)) == (width >= 44)


def test_entries_pass_and_are_told_when_the_next_is_there() -> None:
    class Entry:
        def __init__(self, step: int) -> None:
            self.step = step

        def values(self) -> dict[str, Any]:
            return line(self.step)

    watch, told = Watch(Plan([(3, 1)])), []
    seen = []
    for entry in watch.following(map(Entry, (1, 2, 3)), lambda one: told.append(one["step"])):
        seen.append((entry.step, [*told]))
    assert seen == [(1, []), (2, [1]), (3, [1, 2])]
    assert told == [1, 2, 3]


def test_of_its_record_and_log_elsewhere(tmp_path: Path) -> None:
    log = written(tmp_path / "log.jsonl", [line(step, 1 / step) for step in range(1, 9)])
    watch = Watch(Plan([(9, 1)], batch_size=7), lambda: 5)
    watch.read(log)
    record = json.loads(json.dumps(watch.record()))
    assert Watch.of_record(record, log).lines(80) == watch.lines(80)
    assert Watch.of_record(record, tmp_path / "none").lines(80) == []


def test_a_long_log_is_sampled_and_no_validation_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        line(step, **({"validation_loss": 1.0} if step % 97 == 0 else {}))
        for step in range(1, 3001)
    ]
    log = written(tmp_path / "log.jsonl", lines)
    log.write_text(log.read_text() + '{"step": 3001, "lo')
    assert [*log_lines(log)] == lines
    monkeypatch.setattr(reading, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(reading, "SAMPLED", 53)
    monkeypatch.setattr(reading, "LAST_BYTES", 1000)
    found = [*log_lines(log)]
    steps = [one["step"] for one in found]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (1, 3000)
    assert {*range(97, 3001, 97)} <= {*steps}
    assert 53 + 30 <= len(steps) < 120
    assert found == [lines[step - 1] for step in steps]


def test_no_log_and_an_empty_one_say_nothing(tmp_path: Path) -> None:
    assert [*log_lines(tmp_path / "log.jsonl")] == []
    (tmp_path / "log.jsonl").touch()
    assert [*log_lines(tmp_path / "log.jsonl")] == []


def test_what_is_no_object_is_no_line(tmp_path: Path) -> None:
    lines = ["[1]", '"a"', "3", "null", '{"step": 1}', "[" * 100_000, "{}", ""]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert [*log_lines(tmp_path / "log.jsonl")] == [{"step": 1}, {}]
