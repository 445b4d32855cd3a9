"""Fits in two passes: the same whatever the memory and the layout, against plain references."""

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import (
    Climatology,
    DampedPersistence,
    KeptFits,
    LinearInverseModel,
    Persistence,
    VectorAutoregression,
    damped_persistence,
    fit_baselines,
    large,
    patterns,
)
from axialcast.baselines.fitting import BASELINES, check_times
from axialcast.baselines.memory import fitted_bytes
from axialcast.data import Analysis, Channels, open_analysis, statistics
from axialcast.data.arrays.chunks import Chunks

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 5]) * DAY
STATE = 4 * 3 * 7 * 11 / 2**30
"""GiB of a state of `training`."""


@pytest.fixture(scope="module")
def training():
    """Two years of waves in red noise, 3 channels on 7 x 11 points; the sea is not everywhere."""
    rng = np.random.default_rng(3)
    num = 743
    noise = rng.standard_normal((num, 3, 7, 11))
    for time in range(1, num):
        noise[time] = 0.8 * noise[time - 1] + noise[time]
    day = np.arange(num)[:, None, None]
    wave = np.sin(np.arange(11) * 4 * np.pi / 11 - 0.3 * day) * np.cos(2 * np.pi * day / 365.2425)
    values = (280 + 5 * wave[:, None] + noise).astype(np.float32)
    values[:, 2, 2:4, 5:9] = np.nan
    values[50:300, 2, 6, 1:3] = np.nan
    values[rng.random((num, 3, 7, 11)) < 1e-3] = np.nan
    times = np.datetime64("2001-01-01", "ns") + np.arange(num) * DAY
    coords = {
        "time": times,
        "level": [850.0, 500.0],
        "latitude": np.linspace(60.0, -60.0, 7),
        "longitude": np.arange(11) * 360 / 11,
    }
    dims = ("time", "latitude", "longitude")
    fields = {
        "temperature": (("time", "level", *dims[1:]), values[:, :2], {"units": "K"}),
        "sea_surface_temperature": (dims, values[:, 2], {"units": "K"}),
    }
    return xr.Dataset(fields, coords)


@pytest.fixture(scope="module")
def anomalies(training):
    """(time, c, h, w) in double precision, of a climatology by least squares, cell by cell."""
    values = Channels.of(training).stack(training).astype(np.float64)
    days = (training.time.values - np.datetime64("2000-01-01")) / np.timedelta64(1, "D")
    angle = 2 * np.pi * days[:, None] / 365.2425
    design = np.concatenate([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    for place in np.ndindex(values.shape[1:]):
        column = values[(slice(None), *place)]
        seen = np.isfinite(column)
        if seen.any():
            fit, *_ = np.linalg.lstsq(design[seen], column[seen])
            column -= design @ fit
    return values


def fields(dataset):
    return Channels.of(dataset).stack(dataset)


def fit(training, **settings):
    return fit_baselines(training, lead_times=LEADS, harmonics=1, **settings)


def test_the_climatology_leaves_the_anomalies(training, anomalies):
    climatology, _ = fit(training, names=[])
    got = fields(climatology.anomalies(training))
    np.testing.assert_allclose(got, anomalies, atol=2e-4)


def test_damping_is_the_regression_on_pairs_that_have_both(training, anomalies):
    _, baselines = fit(training, names=["damped_persistence"])
    damping = fields(baselines["damped_persistence"].damping)
    now = anomalies[:-5]  # of the longest lead
    for lead, steps in enumerate((1, 2, 5)):
        later = anomalies[steps : steps + len(now)]
        both = np.isfinite(now) & np.isfinite(later)
        products = np.where(both, now * later, 0).sum(0)
        squares = np.where(both, now**2, 0).sum(0)
        expected = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
        np.testing.assert_allclose(damping[lead], expected, atol=1e-5)


def dense(anomalies, area, ridge=0.03, explained=0.99, most=200):
    """Patterns and propagator from every state, by numpy's own decompositions."""
    known = np.nan_to_num(anomalies)
    variance = (known**2).mean(0)
    weights = area / area.sum()
    scale = []
    for field in variance:
        domain = weights[field > 0].sum()
        scale.append(np.sqrt(weights) / np.sqrt((field * weights).sum() / domain))
    scaled = (known * np.array(scale)).reshape(len(known), -1)
    _, singular, right = np.linalg.svd(scaled, full_matrices=False)
    share = np.cumsum(singular**2) / (singular**2).sum()
    vectors = right[: min(most, int(np.searchsorted(share, explained)) + 1)].T
    series = scaled @ vectors
    predictors = np.concatenate([series[1:-1], series[:-2]], axis=1)
    moments = predictors.T @ predictors
    moments += ridge * np.trace(moments) / len(moments) * np.eye(len(moments))
    return vectors, np.linalg.solve(moments, predictors.T @ series[2:]), np.array(scale), scaled


def test_the_linear_inverse_model_is_that_of_a_dense_decomposition(training, anomalies):
    climatology, baselines = fit(training, names=["linear_inverse_model"])
    model = baselines["linear_inverse_model"]
    area = Analysis.of(training).grid.areas
    vectors, propagator, scale, scaled = dense(anomalies, area)
    assert model.patterns.shape == vectors.shape
    series = scaled @ vectors
    now, before = series[100:103], series[99:102]
    for _ in range(2):
        now, before = np.concatenate([now, before], axis=1) @ propagator, now
    expected = (now @ vectors.T / scale.ravel()).reshape(3, 3, 7, 11)
    inits = training.time.values[100:103]
    forecast = model.forecast(training, inits, LEADS[1:2])
    got = fields(forecast.isel(lead_time=0)) - climatology.values_at(inits + LEADS[1])
    expected[:, np.isnan(got[0])] = np.nan
    np.testing.assert_allclose(got, expected, atol=2e-3)
    assert model.note is None


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("chosen", [slice(None), slice(1, 3), np.array([2, 0])])
def test_values_are_the_forecasts_in_plain_arrays(training, chosen, factor):
    climatology, baselines = fit(training)
    baselines["linear_inverse_model"] = LinearInverseModel.fit(training, climatology, factor=factor)
    analysis = Analysis(training)
    inits = training.time.values[[0, 9, 400, 742]]  # before the first there is no state
    normal = climatology.normal(inits, LEADS)[:, :, chosen].copy()
    normal.flags.writeable = False

    def states(times, channels=chosen):
        return analysis.read(analysis.rows(times))[:, channels]

    for baseline in baselines.values():
        forecast = baseline.forecast(training, inits, LEADS)
        expected = np.stack([fields(forecast.isel(lead_time=lead)) for lead in range(3)], axis=1)
        if hasattr(baseline, "start"):
            start = baseline.start(lambda times: states(times, slice(None)), inits)
            got = baseline.values_from(start, states, inits, LEADS, normal, chosen)
            assert np.isnan(got[0]).all()
        else:
            got = baseline.values(states, inits, LEADS, normal, chosen)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected[:, :, chosen], rtol=1e-6)


def stored(training, path, layout):
    """The training data in a Zarr store of these chunks, opened."""
    chunks = {
        "short": (5, 1, 7, 11),
        "long": (97, 1, 3, 4),
        "together": (13, 2, 7, 11),
        "whole": (743, 2, 7, 11),
    }[layout]
    encoding = {
        "temperature": {"chunks": chunks},
        "sea_surface_temperature": {"chunks": (chunks[0], *chunks[2:])},
    }
    training.to_zarr(path, encoding=encoding, consolidated=False)
    return open_analysis(str(path), variables=list(training.data_vars))


@pytest.fixture
def decoded(monkeypatch):
    """How often each chunk was decoded."""
    counts, read = {}, Chunks.read

    def counting(self, where, out):
        key = self.array.path, where
        counts[key] = counts.get(key, 0) + 1
        read(self, where, out)

    monkeypatch.setattr(Chunks, "read", counting)
    return counts


@pytest.mark.parametrize("layout", ["short", "long", "together", "whole"])
@pytest.mark.parametrize("states", [50, 400, 100_000])
def test_two_passes_whatever_the_layout_and_the_memory(training, tmp_path, decoded, layout, states):
    analysis = stored(training, tmp_path / "training.zarr", layout)
    decoded.clear()
    found = fit(analysis, memory_gib=states * STATE)
    assert set(decoded.values()) == {2}
    whole = fit(training)
    xr.testing.assert_allclose(found[0].coefficients, whole[0].coefficients, atol=1e-4)
    inits = training.time.values[[9, 300]]
    for name in ("damped_persistence", "linear_inverse_model", "vector_autoregression"):
        got, expected = (
            fields(baselines[name].forecast(training, inits, LEADS).isel(lead_time=2))
            for _, baselines in (found, whole)
        )
        np.testing.assert_allclose(got, expected, atol=5e-3)
    decoded.clear()
    statistics(analysis, Channels.of(analysis), step=1, memory_gib=states * STATE)
    assert set(decoded.values()) == {1}


def test_each_by_itself_is_what_all_together_are(training):
    climatology, baselines = fit(training)
    assert list(baselines) == list(BASELINES)
    assert isinstance(baselines["persistence"], Persistence)
    assert baselines["climatology"] is climatology
    alone = Climatology.fit(training, harmonics=1)
    xr.testing.assert_identical(alone.coefficients, climatology.coefficients)
    damped = DampedPersistence.fit(training, alone, lead_times=LEADS)
    xr.testing.assert_identical(damped.damping, baselines["damped_persistence"].damping)
    for kind, model in (
        ("linear_inverse_model", LinearInverseModel),
        ("vector_autoregression", VectorAutoregression),
    ):
        for name, part in model.fit(training, alone).parts().items():
            if isinstance(part, np.ndarray):
                np.testing.assert_array_equal(part, baselines[kind].parts()[name])


def test_threads_do_not_change_a_bit(training, monkeypatch):
    results = []
    for cores in (1, 5):
        monkeypatch.setattr("axialcast.cores.available_cores", lambda cores=cores: cores)
        climatology, baselines = fit(training)
        stats = statistics(training, Channels.of(training), step=3)
        results.append([climatology, baselines, stats])
    (one, others, stats), (climatology, baselines, more) = results
    xr.testing.assert_identical(one.coefficients, climatology.coefficients)
    for name in ("damped_persistence", "linear_inverse_model", "vector_autoregression"):
        forecast, again = (
            each[name].forecast(training, training.time.values[[9]], LEADS)
            for each in (others, baselines)
        )
        xr.testing.assert_identical(forecast, again)
    assert stats.to_dict() == more.to_dict()


def test_large_arrays_on_the_disk_are_the_same(training, monkeypatch):
    climatology, baselines = fit(training)
    monkeypatch.setattr(large, "MOST_BYTES", 100)
    mapped, others = fit(training)
    base = mapped.coefficients.temperature.values
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert not isinstance(base, np.ndarray)  # the file's map
    xr.testing.assert_identical(mapped.coefficients, climatology.coefficients)
    xr.testing.assert_identical(
        others["damped_persistence"].damping, baselines["damped_persistence"].damping
    )


def test_long_windows_are_summed_in_stretches(training, monkeypatch):
    whole = fit(training, names=["damped_persistence"])[1]["damped_persistence"]
    monkeypatch.setattr(damped_persistence, "STRETCH", 31)
    monkeypatch.setattr(damped_persistence, "TILE_VALUES", 100)
    parts = fit(training, names=["damped_persistence"])[1]["damped_persistence"]
    xr.testing.assert_allclose(parts.damping, whole.damping, atol=1e-6)


def test_a_large_grid_has_coarse_patterns_and_says_so(training, monkeypatch, tmp_path):
    """Waves of the whole width are forecast as well from means over 2 x 2 cells."""
    monkeypatch.setattr(patterns, "MOST_BYTES", 4 * 943 * 3 * 4 * 6)
    analysis = stored(training, tmp_path / "training.zarr", "long")
    climatology, baselines = fit(analysis, memory_gib=50 * STATE)
    model = baselines["linear_inverse_model"]
    assert model.factor == 2
    assert len(model.patterns) == 3 * 4 * 6
    assert "averaged over 2 × 2 cells (4 × 6 of 7 × 11)" in model.note
    inits = training.time.values[400:440]
    normal = climatology.values_at(inits + DAY)
    truth = fields(training.sel(time=inits + DAY)) - normal
    forecast = fields(model.forecast(training, inits, LEADS[:1]).isel(lead_time=0))
    assert (np.isnan(forecast) == np.isnan(normal)).all()
    assert np.nanvar(truth - (forecast - normal)) < 0.5 * np.nanvar(truth)


def test_fits_are_kept_and_found_by_all_that_decides_them(training, tmp_path, decoded):
    said = []
    analysis = stored(training, tmp_path / "training.zarr", "together")
    kept = KeptFits(tmp_path / "kept", {"store": "a"}, said.append)
    first = fit(analysis, kept=kept)
    decoded.clear()
    again = fit(analysis, kept=kept)
    assert not decoded
    assert said == []
    xr.testing.assert_identical(again[0].coefficients, first[0].coefficients)
    for name, baseline in first[1].items():
        for part, value in baseline.parts().items():
            other = again[1][name].parts()[part]
            if isinstance(value, xr.Dataset):
                xr.testing.assert_identical(other, value)
            elif part != "climatology":
                np.testing.assert_array_equal(other, value)
    # Other lead times: the climatology and the linear inverse model are as they were.
    fit_baselines(analysis, lead_times=LEADS[:2], harmonics=1, kept=kept)
    assert set(decoded.values()) == {1}
    for other in (
        {"kept": KeptFits(tmp_path / "kept", {"store": "b"})},
        {"kept": kept, "names": ["linear_inverse_model"], "lag": 2 * DAY},
    ):
        decoded.clear()
        fit(analysis, **other)
        assert decoded
    names = {path.name.split("-")[0] for path in (tmp_path / "kept").glob("*.npy")}
    assert names == set(BASELINES) - {"persistence"}
    assert len(list((tmp_path / "kept").glob("*.npy"))) == 2 + 1 + 3 + 6


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "inventory"])
def test_a_damaged_fit_is_named_and_made_anew(training, tmp_path, how):
    said = []
    kept = KeptFits(tmp_path / "kept", {}, said.append)
    climatology, _ = fit(training, names=[], kept=kept)
    path = next((tmp_path / "kept").glob("climatology-*.coefficients.npy"))
    if how == "inventory":
        path = next((tmp_path / "kept" / ".inventory").glob("climatology-*.json"))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    match how:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(data[:-7])
        case _:
            path.write_bytes(data)
    again, _ = fit(training, names=[], kept=kept)
    assert len(said) == 1
    assert path.name in said[0]
    xr.testing.assert_identical(again.coefficients, climatology.coefficients)
    fit(training, names=[], kept=kept)
    assert len(said) == 1


def test_what_is_wrong_is_said_before_anything_is_read(training, tmp_path, decoded):
    analysis = stored(training, tmp_path / "training.zarr", "whole")
    decoded.clear()
    with pytest.raises(ValueError, match="names: unknown 'luck'; choose from persistence, "):
        fit(analysis, names=["luck"])
    with pytest.raises(ValueError, match="lead_times: expected multiples of 24 h, got 6 h"):
        fit_baselines(analysis, lead_times=LEADS[:1] // 4)
    with pytest.raises(ValueError, match="lag: expected multiples of 24 h, got 36 h"):
        fit(analysis, lag=DAY * 3 // 2)
    with pytest.raises(ValueError, match=r"743 times are too few .* lag 372 steps"):
        fit(analysis, lag=372 * DAY)
    assert not decoded


@pytest.mark.parametrize("hours", [24, 6])
def test_what_fits_will_hold_is_what_they_hold(training, monkeypatch, hours):
    step = np.timedelta64(hours * 3600 * 10**9, "ns")
    training = training.assign_coords(time=training.time.values[0] + np.arange(743) * step)
    names = ["damped_persistence", "linear_inverse_model", "vector_autoregression"]
    harmonics = 2 if hours == 24 else 0  # of the year, where there is one
    climatology, found = fit_baselines(training, names, lead_times=LEADS, harmonics=harmonics)
    arrays = [climatology.coefficients, found["damped_persistence"].damping]
    cycle, damping = (sum(a.nbytes for a in ds.data_vars.values()) for ds in arrays)
    patterns = found["linear_inverse_model"].patterns
    most = 200 * patterns.nbytes // patterns.shape[1]
    options = {"num_leads": len(LEADS), "harmonics": harmonics}
    for asked, held in (
        ([], cycle),
        (names[:1], cycle + damping),
        (names[:2], cycle + damping + most),
        (names, cycle + damping + 2 * most),
    ):
        assert fitted_bytes(Analysis(training), asked, **options) == held
    monkeypatch.setattr("axialcast.baselines.memory.MOST_BYTES", min(cycle, damping))
    assert fitted_bytes(Analysis(training), names[:1], **options) == min(cycle, damping)


@pytest.mark.parametrize(("days", "lead"), [([0, 1, 2], 7), ([0, 1, 4, 5], 2)])
def test_lead_times_without_a_pair_of_times_are_refused_as_they_are_by_the_fit(days, lead):
    times = np.datetime64("2001-01-01", "ns") + np.array(days) * DAY
    arguments = {"lead_times": np.array([1, lead]) * DAY, "harmonics": 0}
    with pytest.raises(ValueError, match=r"^lead_times: "):
        check_times(times, ["damped_persistence"], **arguments)
    check_times(times, ["persistence"], **arguments)
