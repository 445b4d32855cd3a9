import io
import itertools
import sys

import pytest

from axialcast.run import progress
from axialcast.run.progress import track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets: clock[0] is now, in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def go(clock: list[float], seconds_per_item: float, **keywords: object) -> list[int]:
    done = []
    for item in track(description="train", unit="steps", **keywords):  # type: ignore[arg-type]
        clock[0] += seconds_per_item
        done.append(item)
    return done


def test_says_nothing_of_what_is_soon_done(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(clock, 0.015, items=range(100)) == list(range(100))
    assert capsys.readouterr().err == ""


def test_says_a_plain_line_for_each_tenth(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(clock, 0.5, items=range(20)) == list(range(20))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train: 4 of 20 steps (20%), 2 steps/s, 8 s left"
    assert lines[-2:] == [
        "train: 18 of 20 steps (90%), 2 steps/s, 1 s left",
        "train: 20 steps in 10 s",
    ]
    assert len(lines) == 9


def test_says_a_line_at_least_every_half_minute(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    go(clock, 10.0, items=iter(range(7)))
    assert capsys.readouterr().err.splitlines() == [
        "train: 3 steps, 0.1 steps/s",
        "train: 6 steps, 0.1 steps/s",
        "train: 7 steps in 1 min 10 s",
    ]


def test_total_of_an_iterator_gives_the_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    go(clock, 3600.0, items=iter(range(3)), total=3)
    assert "1 of 3 steps (33%)" in (first := capsys.readouterr().err.splitlines()[0])
    assert first.endswith("2 h 00 min left")


def test_an_unbounded_iterator_may_be_left(clock: list[float]) -> None:
    assert list(itertools.islice(track(itertools.count(), description="x"), 3)) == [0, 1, 2]


def test_draws_a_bar_on_a_terminal(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert go(clock, 1.0, items=range(5)) == list(range(5))
    assert "train" in terminal.getvalue()
    assert "5 of 5 steps (100%)" in terminal.getvalue()


def test_a_short_loop_draws_no_bar(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    assert go(clock, 0.1, items=range(5)) == list(range(5))
    assert terminal.getvalue() == ""


class Told:
    seconds_left = 61.0

    def words(self) -> str:
        return "loss 0.5"

    def lines(self, width: int, *, curves: bool = True) -> list[str]:
        return [f"loss 0.5 {'*' * 9 if curves else ''}"]

    def record(self) -> dict[str, object]:
        return {}


def test_what_is_watched_is_told_in_lines(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    go(clock, 0.5, items=range(20), watched=Told())
    line = capsys.readouterr().err.splitlines()[0]
    assert line == "train: 4 of 20 steps (20%), 2 steps/s, 1 min 01 s left, loss 0.5"


@pytest.mark.parametrize("columns", ["100", "40"])
def test_what_is_watched_stands_below_the_bar(
    columns: str, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    go(clock, 1.0, items=range(5), watched=Told())
    terminal.seek(0)
    shown = terminal.read()
    assert "5 of 5 steps (100%)" in shown
    assert "loss 0.5 *********" in shown
    assert ("━" in shown) == (columns == "100")
