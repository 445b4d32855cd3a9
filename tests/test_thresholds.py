"""Thresholds: words that are read, and what they hold of."""

import numpy as np
import pytest

from axialcast.thresholds import Threshold


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, ">= 5"),
        (-0.25, ">= -0.25"),
        ("5", ">= 5"),
        (">5", "> 5"),
        (" <= 2.5e-4", "<= 0.00025"),
        ("< 273.15", "< 273.15"),
        ("p90", ">= p90"),
        ("<p 2.5", "< p2.5"),
    ],
)
def test_words_are_read_and_written(given, text):
    threshold = Threshold.of(given)
    assert threshold.text == text
    assert Threshold.of(text) == threshold
    assert Threshold.of(threshold) is threshold


@pytest.mark.parametrize("given", ["", "rain", "=5", "> ", "p101", "< p-1", "1.2.3", "nan", "inf"])
def test_other_words_are_refused(given):
    with pytest.raises(ValueError, match="expected a number such as 5, or words such as '> 5'"):
        Threshold.of(given)


def test_what_is_not_known_is_no_event():
    values = np.array([1.0, 2.0, 3.0, np.nan])
    found = {side: Threshold.of(f"{side} 2").holds(values, 2.0).tolist() for side in ("<", "<=")}
    assert found == {"<": [True, False, False, False], "<=": [True, True, False, False]}
    found = {side: Threshold.of(f"{side} 2").holds(values, 2.0).tolist() for side in (">", ">=")}
    assert found == {">": [False, False, True, False], ">=": [False, True, True, False]}
