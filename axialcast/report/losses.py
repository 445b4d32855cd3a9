"""What the report shows of the training: its losses against step, from the lines of its log."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from axialcast.report.drawing import GREY, INK, OWN, PLAIN, STYLE, WARM, svg
from axialcast.report.wording import number

__all__ = ["losses_shown"]

STRETCHES = 300
"""Of a training: of more steps, means of as many are drawn, within their least and greatest."""

Points = list[tuple[float, float]]


@dataclass
class _Losses:
    """Of one network: (step, loss) of its training and validation, and (step, model steps ahead)
    where a stage begins."""

    training: Points = field(default_factory=list)
    validation: Points = field(default_factory=list)
    stages: Points = field(default_factory=list)


def losses_shown(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A figure of the losses of all members, with how many these are; None: no line tells any.

    Args:
        lines: of a training's log, in order; those that are none of its are left out.
    """
    members = _read(lines)
    every = [one for one in members.values() if len(one.training) > 1]
    if not every:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 3.6))
        axes = figure.add_axes((0.07, 0.14, 0.77, 0.72))
        for one in every:
            _draw(axes, one)
        losses = [loss for one in every for _, loss in one.training + one.validation]
        if min(losses) > 0:
            axes.set_yscale("log")
            if max(losses) < 100 * min(losses):
                axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlim(0, max(one.training[-1][0] for one in every))
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.set_xlabel("step of the optimizer")
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        _mark_stages(axes, every[0].stages)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5)
        axes.set_title("Loss", pad=18, color=INK, weight="bold")
        said = " ".join(_said(member, one, len(members)) for member, one in members.items())
        drawn = svg(figure, f"Losses of the training against step. {said}")
    return {"figure": Markup(drawn), "num_members": len(every)}


def _read(lines: Iterable[Mapping[str, Any]]) -> dict[int, _Losses]:
    """The losses of each member; lines that are not of a log, or not finite, are left out."""
    found: dict[int, _Losses] = {}
    for line in lines:
        try:
            member, step = int(line.get("member", 0)), float(line["step"])
            loss, validation = float(line["loss"]), line.get("validation_loss")
            judged = None if validation is None else float(validation)
            ahead = float(line.get("rollout_steps", np.nan))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        one = found.setdefault(member, _Losses())
        if not np.isfinite([step, loss]).all() or (one.training and step <= one.training[-1][0]):
            continue
        one.training.append((step, loss))
        if judged is not None and np.isfinite(judged):
            one.validation.append((step, judged))
        if np.isfinite(ahead) and (not one.stages or one.stages[-1][1] != ahead):
            one.stages.append((step, ahead))
    return dict(sorted(found.items()))


def _draw(axes: Axes, one: _Losses) -> None:
    is_first = not axes.lines
    steps, means, low, high = _stretches(np.array(one.training))
    if len(steps) < len(one.training):
        axes.fill_between(steps, low, high, color=PLAIN, alpha=0.25, linewidth=0)
    axes.plot(steps, means, color=OWN, linewidth=1.2, label="training" if is_first else None)
    if one.validation:
        axes.plot(
            *zip(*one.validation, strict=True),
            color=WARM,
            clip_on=False,  # the last one is at the edge
            linewidth=1.8,
            marker="o",
            markersize=4 if len(one.validation) <= 40 else 0,
            label="validation" if is_first else None,
        )


def _stretches(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Mean step, and mean, least and greatest loss, of equal stretches of steps that have any."""
    steps, losses = points.T
    if len(steps) <= STRETCHES:
        return steps, losses, losses, losses
    place = (steps - steps[0]) / (steps[-1] - steps[0]) * STRETCHES
    begins = np.flatnonzero(np.diff(np.floor(place).clip(0, STRETCHES - 1), prepend=-1))
    counts = np.diff(begins, append=len(steps))
    means = (np.add.reduceat(one, begins) / counts for one in (steps, losses))
    return *means, np.minimum.reduceat(losses, begins), np.maximum.reduceat(losses, begins)


def _mark_stages(axes: Axes, stages: Points) -> None:
    """A line where a stage begins that looks further ahead, or less far, and how far each does."""
    if len(stages) < 2:
        return
    end = axes.get_xlim()[1]
    for (step, ahead), (after, _) in itertools.pairwise([*stages, (end, 0.0)]):
        if step > stages[0][0]:
            axes.axvline(step, color=GREY, linewidth=0.8, dashes=(2, 3), zorder=1)
        # The label of a short stage reaches back.
        is_short = after - step < 0.12 * end
        axes.text(
            after if is_short and after == end else step,
            1.015,
            f"{ahead:g} {'step' if ahead == 1 else 'steps'} ahead",
            transform=axes.get_xaxis_transform(),
            color=GREY,
            size=8.5,
            va="bottom",
            ha="right" if is_short and after == end else "left",
        )


def _said(member: int, one: _Losses, num: int) -> str:
    """The last losses, for who does not see them."""
    of = f"Member {member}: " if num > 1 else ""
    if not one.training:
        return ""
    step, loss = one.training[-1]
    judged = f", validation {number(one.validation[-1][1])}" if one.validation else ""
    return f"{of}{number(loss)} at step {step:,.0f}{judged}."
