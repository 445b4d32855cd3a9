"""States are held while blocks need them soon, and read again for a season that comes round."""

import numpy as np

from axialcast.data.reader import Analysis
from axialcast.scores import window as module
from axialcast.scores.window import Window


def gone_through(window, needed, analysis, ahead):
    """Most states that are held at once, with so many blocks begun ahead; values are checked."""
    most = 0
    for number in range(len(needed)):
        for coming in range(number + ahead if number else 0, number + ahead + 1):
            if coming < len(needed):
                window.begin(coming)
        most = max(most, sum(len(window._reads[read]) for read in window._held))
        expected = analysis.read(analysis.rows(needed[number]))
        np.testing.assert_array_equal(window.at(needed[number]), expected)
        window.end(number)
    assert not window._held
    return most


def test_other_years_are_read_again_rather_than_held(noise, monkeypatch):
    monkeypatch.setattr(module, "READ_BYTES", 1)
    analysis = Analysis.of(noise)
    times = noise.time.values
    # Of each of 60 blocks ten days of its own, and ten of the season in the first year.
    needed = [
        np.concatenate([times[366 + 10 * n :][:10], times[(10 * n) % 360 :][:10]])
        for n in range(60)
    ]
    with Window(analysis, needed) as window:
        most = gone_through(window, needed, analysis, ahead=2)
        assert most <= window.num_held(2) <= 60
    monkeypatch.setattr(module, "LONGEST_WAIT", 60)
    with Window(analysis, needed) as window:
        held = gone_through(window, needed, analysis, ahead=2)
        assert held <= window.num_held(2)
        assert held > 200
