"""Losses of a training in the report: what is drawn is what the log says."""

import itertools

import numpy as np
import pytest

from axialcast.report import losses
from axialcast.report.losses import STRETCHES, losses_shown


@pytest.fixture
def drawn(monkeypatch):
    """A function that gives the axes of the figure of some lines, and what the page is given."""
    figures, original = [], losses.svg

    def seen(figure, about):
        figures.append(figure)
        return original(figure, about)

    monkeypatch.setattr(losses, "svg", seen)

    def draw(lines):
        shown = losses_shown(iter(lines))
        return figures[-1].axes[0], shown

    return draw


def log(num, **more):
    """Losses 1, 1/2, 1/3, …; twice as much in validation at every fifth step."""
    return [
        {"step": step, "loss": 1 / step, **more}
        | ({"validation_loss": 2 / step} if step % 5 == 0 else {})
        for step in range(1, num + 1)
    ]


def test_every_step_and_validation_of_a_short_log(drawn):
    axes, shown = drawn(log(23))
    training, validation = (line.get_xydata() for line in axes.lines)
    np.testing.assert_array_equal(training, [(step, 1 / step) for step in range(1, 24)])
    np.testing.assert_array_equal(validation, [(step, 2 / step) for step in (5, 10, 15, 20)])
    assert (axes.get_yscale(), shown["num_members"], len(axes.collections)) == ("log", 1, 0)
    assert "0.043 at step 23, validation 0.100." in shown["figure"]


def test_stages_are_marked_where_they_begin(drawn):
    lines = [*log(60, rollout_steps=1), *log(70, rollout_steps=1)[60:]]
    lines += [{**line, "rollout_steps": 4} for line in log(97)[70:]]
    axes, _ = drawn(lines)
    marks = [line for line in axes.lines if line.get_xdata()[0] == line.get_xdata()[-1]]
    assert [line.get_xdata()[0] for line in marks] == [71]
    texts = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert texts == {"1 step ahead": 1, "4 steps ahead": 71}
    axes, _ = drawn(log(9, rollout_steps=3))
    assert (len(axes.lines), len(axes.texts)) == (2, 0)


def test_of_a_long_log_means_are_drawn_within_extremes(drawn):
    rng = np.random.default_rng(3)
    steps = np.sort(rng.choice(np.arange(1, 90_001), 7001, replace=False))
    values = rng.lognormal(size=7001)
    axes, _ = drawn({"step": int(s), "loss": v} for s, v in zip(steps, values, strict=True))
    edges = np.linspace(steps[0], steps[-1], STRETCHES + 1)
    edges[-1] += 1
    parts = [values[(steps >= low) & (steps < high)] for low, high in itertools.pairwise(edges)]
    means = [part.mean() for part in parts if part.size]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), means, rtol=1e-12)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (values.min(), values.max())


def test_each_member_has_lines_of_its_own(drawn):
    axes, shown = drawn([*log(11, member=0), *log(7, member=1)])
    assert shown["num_members"] == 2
    assert [len(line.get_xdata()) for line in axes.lines] == [11, 2, 7, 1]
    assert "Member 0: " in shown["figure"]
    assert "Member 1: 0.143 at step 7, validation 0.400." in shown["figure"]
    assert [text.get_text() for text in axes.get_legend().texts] == ["training", "validation"]


def test_what_is_no_line_of_a_log_is_left_out(drawn):
    strange = [
        *({}, {"step": 3}, {"step": "x", "loss": 1.0}, {"step": None, "loss": 1.0}),
        *({"step": 4, "loss": float("nan")}, {"step": float("inf"), "loss": 1.0}),
        *({"step": 5, "loss": 1.0, "member": []}, {"step": 2, "loss": 9.0}),
        {"step": 10**400, "loss": 1.0},
    ]
    axes, _ = drawn([*log(3), *strange, *log(6)[5:]])
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3, 6])
    assert losses_shown(strange[:-2]) is None
    assert losses_shown(log(1)) is None  # a point is no curve


def test_losses_below_zero_have_a_linear_axis(drawn):
    axes, _ = drawn([{"step": step, "loss": 2.0 - step} for step in range(1, 6)])
    assert axes.get_yscale() == "linear"


def test_the_same_log_gives_the_same_figure():
    assert losses_shown(log(500)) == losses_shown(log(500))
