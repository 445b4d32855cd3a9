"""Scores at stations on points of the grid: those of the fields there, by hand."""

import numpy as np

from axialcast.scores.at_stations import _statistics


def test_means_over_stations_where_all_is_known():
    models = np.array([[[[1.0, 4.0, 9.0]], [[2.0, 2.0, np.nan]]]])  # (i, m, l, s)
    truth, expected = np.array([[[[0.0, 2.0, 5.0]]]]), np.array([[[[1.0, 1.0, 1.0]]]])
    found = _statistics(models, truth, expected)
    assert found["num"].tolist() == [[2]]
    np.testing.assert_allclose(found["error"][0, :, 0], [1.5, 1.0])
    np.testing.assert_allclose(found["squared_error"][0, :, 0], [2.5, 2.0])
    np.testing.assert_allclose(found["anomaly_product"][0, :, 0], [(0 * -1 + 3 * 1) / 2, 0.0])
    np.testing.assert_allclose(found["squared_truth_anomaly"][0, :, 0], [1.0, 1.0])
    nothing = _statistics(models, truth * np.nan, expected)
    assert np.isnan(nothing["error"]).all()
    assert nothing["num"].item() == 0
