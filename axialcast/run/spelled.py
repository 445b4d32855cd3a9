"""Steps of time as a section spells them: as text under one key, or in hours under another."""

from typing import Any

import numpy as np

from axialcast.times.steps import exact, parsed_step

__all__ = ["given_step", "refuse_both", "said_step"]


def given_step(text: str | None, hours: float | None) -> np.timedelta64 | None:
    """A step that is said as text, or in hours, or not at all."""
    if text is not None:
        return parsed_step(text)
    return None if hours is None else exact(hours * 3600)


def said_step(section: Any, key: str) -> str:
    """Such a step by the key that says it, `step` or `step_hours`, and its value."""
    text = getattr(section, key)
    return (
        f"{key}_hours: {getattr(section, f'{key}_hours'):g}" if text is None else f"{key}: {text}"
    )


def refuse_both(section: Any, *keys: str) -> None:
    """Raises where two keys say the same."""
    if all(getattr(section, key) is not None for key in keys):
        one, other = keys
        raise ValueError(f"{one} and {other} are both given; leave one out, or set it to null")
