"""Scores of whole forecasts: values, each chunk decoded once, the same bits however it is done."""

import threading
from collections import Counter

import numpy as np
import pytest
import xarray as xr
import zarr

from axialcast.data.arrays.chunks import Chunks
from axialcast.data.arrays.zarrs import direct
from axialcast.data.reader import Analysis
from axialcast.grid import LatLonGrid
from axialcast.scores.kept import checksum
from axialcast.verify import (
    Climatology,
    DampedPersistence,
    DrawnField,
    KeptSums,
    LinearInverseModel,
    Persistence,
    evaluate,
)

HOUR = np.timedelta64(3_600_000_000_000, "ns")
LEADS = np.array([6, 18, 24, 42]) * HOUR
TRAINED = 366 * 4
LATE = slice(TRAINED - 4, None)
REGIONS = {"north": {"latitude": [10, 90], "longitude": [300, 130]}}


@pytest.fixture(scope="module")
def analysis(analysis_of):
    """A year and 60 days, every six hours, with holes, a gap and three levels."""
    rng = np.random.default_rng(3)
    num = TRAINED + 240
    analysis = analysis_of(
        1000 + 10 * rng.standard_normal((num, 3, 5, 7)), freq="6h", levels=[200, 500, 850]
    )
    surface = analysis.pressure.isel(level=0, drop=True) * 3
    analysis = analysis.assign(surface=surface.assign_attrs(units="m2 s-2"))
    analysis["wind"] = (analysis.pressure * 0.1 + 4).assign_attrs(units="m s-1")
    analysis.surface[TRAINED + 20 : TRAINED + 31, 2, 1:4] = np.nan
    analysis.wind[:, 1, 0] = np.nan
    return analysis.isel(time=np.r_[: TRAINED + 90, TRAINED + 97 : num])


@pytest.fixture(scope="module")
def forecast(analysis, forecast_of):
    """Two levels of three, in another order, of times unsorted, some hours and some weeks apart."""
    rows = TRAINED + np.array([40, 41, 4, 43, 85, 80, 150, 12, 224, 13, 231])
    chosen = analysis[["wind", "surface", "pressure"]].isel(level=[2, 0])
    inits, rng = analysis.time.values[rows], np.random.default_rng(4)
    forecast = forecast_of(chosen, inits, LEADS)
    for array in forecast.data_vars.values():
        array += rng.standard_normal(array.shape).astype(np.float32)
    forecast.pressure[3, 1, 0, 2:4] = np.nan
    forecast.surface[5, 2] = np.nan
    return forecast


@pytest.fixture(scope="module")
def models(analysis):
    training = analysis.isel(time=slice(TRAINED))
    climatology = Climatology.fit(training, harmonics=1)
    plain = Climatology.fit(training, harmonics=0)
    return {
        "climatology": climatology,
        "baselines": {
            "persistence": Persistence(),
            "climatology": climatology,
            "damped": DampedPersistence.fit(training, climatology, lead_times=LEADS),
            "other": DampedPersistence.fit(training, plain, lead_times=LEADS),
            "linear": LinearInverseModel.fit(training, climatology),
        },
    }


def scored_plainly(forecast, analysis, climatology, baselines):
    """By (variable, level, model, metric, region, lead): a loop over pairs."""
    areas = LatLonGrid(analysis.latitude.values, analysis.longitude.values).areas
    longitude = analysis.longitude.values
    inside = (analysis.latitude.values >= 10)[:, None] & ((longitude >= 300) | (longitude <= 130))
    inits = forecast.init_time.values
    fields = {"forecast": forecast}
    fields |= {n: m.forecast(analysis, inits, LEADS) for n, m in baselines.items()}
    normals, found = climatology.forecast(analysis, inits, LEADS), {}
    for name, array in forecast.data_vars.items():
        for level in array.level.values if "level" in array.dims else [None]:
            at = {} if level is None else {"level": level}
            for lead in LEADS:
                sums = {}
                for init in inits:
                    if init + lead not in analysis.time.values:
                        continue
                    pair = {"init_time": init, "lead_time": lead, **at}
                    truth = analysis[name].sel(time=init + lead, **at).values.astype(float)
                    normal = normals[name].sel(pair).values
                    values = {m: f[name].sel(pair).values for m, f in fields.items()}
                    known = np.isfinite(truth + normal + sum(values.values()))
                    for region, weights in (("all", areas), ("north", areas * inside)):
                        w = weights * known
                        if not w.sum():
                            continue
                        for model, value in values.items():
                            error, observed = value - truth, truth - normal
                            departure = value - normal
                            products = departure * observed, departure**2, observed**2
                            stats = np.stack([error, error**2, abs(error), *products])
                            mean = np.where(known, stats * w, 0).sum((1, 2)) / w.sum()
                            sums.setdefault((region, model), []).append(mean)
                for (region, model), means in sums.items():
                    m = np.mean(means, axis=0)
                    key = name, level, model, region, lead
                    spread = np.sqrt(m[4] * m[5])
                    acc = m[3] / spread if spread else np.nan
                    found[key] = [np.sqrt(m[1]), m[2], m[0], acc, len(means)]
    return found


def test_scores_are_those_of_a_plain_loop(forecast, analysis, models):
    scores = evaluate(forecast, Analysis(analysis), **models, regions=REGIONS)
    expected = scored_plainly(forecast, analysis, **models)
    assert len(expected) == 5 * 6 * 2 * 4
    for (name, level, model, region, lead), values in expected.items():
        at = {"region": region, "lead_time": lead} | ({} if level is None else {"level": level})
        got = scores[name].sel(at).sel(model=model, metric=["rmse", "mae", "bias", "acc"])
        np.testing.assert_allclose(got, values[:4], rtol=2e-5, atol=2e-4)
        assert scores[f"{name}_num_pairs"].sel(at) == values[4]


def test_drawn_errors_are_those_of_a_plain_loop(forecast, analysis, models):
    forecast = forecast.copy(deep=True)
    forecast.wind[2, 2:, 1, 3, 1:5] = forecast.wind[..., 4, 6] = np.nan
    drawn = DrawnField(forecast)
    evaluate(forecast, Analysis(analysis), **models, drawn=drawn)
    assert str(drawn.channel) == "wind 200 hPa"
    assert drawn.leads.tolist() == LEADS[2:].tolist()
    inits = forecast.init_time.values
    normals = models["climatology"].forecast(analysis, inits, LEADS)
    areas = LatLonGrid(analysis.latitude.values, analysis.longitude.values).areas
    error, scale, cases = np.zeros((2, 5, 7)), np.zeros((2, 5, 7)), np.full(len(inits), np.nan)
    for number, lead in enumerate(drawn.leads):
        for case, init in enumerate(inits):
            if init + lead in analysis.time.values:
                pair = {"init_time": init, "lead_time": lead, "level": 200}
                truth = analysis.wind.sel(time=init + lead, level=200).values.astype(float)
                squares = (forecast.wind.sel(pair).values - truth) ** 2
                error[number] += np.nan_to_num(squares)
                beaten = (normals.wind.sel(pair).values - truth) ** 2
                scale[number] += np.where(np.isnan(squares), 0, np.nan_to_num(beaten))
                if lead == LEADS[3]:
                    known = ~np.isnan(squares)
                    cases[case] = np.average(np.nan_to_num(squares), weights=areas * known)
    np.testing.assert_allclose(drawn.error, error, rtol=1e-5)
    np.testing.assert_allclose(drawn.scale, scale, rtol=1e-5)
    np.testing.assert_allclose(drawn.cases, cases, rtol=1e-5)
    assert 0 < np.isnan(cases).sum() < len(cases)
    known = np.sort(cases[~np.isnan(cases)])
    np.testing.assert_allclose(cases[drawn.typical_case()], known[len(known) // 2])
    skill = drawn.skill(1)
    assert np.isnan(skill[4, 6])
    np.testing.assert_allclose(skill[:4], 1 - error[1, :4] / scale[1, :4], rtol=1e-5)
    xr.testing.assert_equal(skill.latitude, forecast.latitude)


def bits(scores, drawn):
    arrays = {str(name): array.values for name, array in scores.variables.items()}
    return checksum([arrays, drawn.error, drawn.scale, drawn.cases])


def run(forecast, analysis, models, **options):
    drawn = DrawnField(forecast)
    return bits(evaluate(forecast, analysis, **models, drawn=drawn, **options), drawn)


@pytest.mark.parametrize("values", [1, 35 * 4 * 2, 2**20])
def test_bits_do_not_depend_on_threads_and_memory(forecast, analysis, models, values):
    options = {"regions": REGIONS, "block_values": values}
    once = run(forecast, analysis, models, num_threads=1, **options)
    assert run(forecast, analysis, models, num_threads=5, **options) == once
    assert run(forecast, analysis, models, memory_gib=1e-6, num_threads=3, **options) == once
    chunked = forecast.chunk(init_time=4, lead_time=1, level=1)
    assert run(chunked, analysis.chunk(time=13), models, **options) == run(
        chunked, analysis, models, memory_gib=1e-5, num_threads=2, **options
    )


def test_channels_are_scored_in_as_many_groups_as_memory_needs(forecast, analysis, models):
    nums, bits = [], set()

    def progress(blocks):
        days = [block.day for block in blocks]
        nums.append(len(days) // len(set(days)))
        return blocks

    for memory_gib in (1e-5, 3e-5, 6e-5, 2.0):
        options = {"memory_gib": memory_gib, "block_values": 1, "num_threads": 2}
        bits.add(run(forecast, analysis, models, progress=progress, **options))
    assert nums == [5, 3, 2, 1]
    assert len(bits) == 1


@pytest.mark.parametrize("memory_gib", [1e-5, 2.0])
@pytest.mark.parametrize("values", [1, 1000])
def test_starts_may_be_found_in_parts(forecast, analysis, models, monkeypatch, values, memory_gib):
    whole = evaluate(forecast, analysis, **models)
    monkeypatch.setattr("axialcast.scores.models.START_VALUES", values)
    parts = evaluate(forecast, analysis, **models, memory_gib=memory_gib)
    for name, array in whole.data_vars.items():
        np.testing.assert_allclose(parts[name], array, rtol=2e-5, atol=2e-6)


@pytest.fixture
def decoded(monkeypatch):
    """How often each chunk was decoded, by array and place."""
    counts, read = Counter(), Chunks.read

    def counting(self, where, out):
        counts[self.array.store.root.name, self.array.path, where] += 1
        return read(self, where, out)

    monkeypatch.setattr(Chunks, "read", counting)
    return counts


def stored(dataset, path, missing_chunks="refuse", **lengths):
    """The dataset in a Zarr store of such chunks, as arrays that decode them."""
    encoding = {
        name: {"chunks": tuple(min(lengths.get(d, n), n) for d, n in a.sizes.items())}
        for name, a in dataset.data_vars.items()
    }
    dataset.drop_encoding().to_zarr(path, encoding=encoding, zarr_format=2, consolidated=False)
    lazy = xr.open_zarr(path, chunks=None, consolidated=False)
    return direct(lazy, zarr.open_group(path, mode="r"), missing_chunks=missing_chunks)


LAYOUTS = [
    ({"time": 1}, {"init_time": 1, "lead_time": 2}),
    ({"time": 17, "level": 2}, {"init_time": 1, "lead_time": 1, "level": 1}),
    ({"time": 5000, "latitude": 2, "longitude": 3}, {"init_time": 1}),
    ({}, {"init_time": 3, "lead_time": 3}),
]


@pytest.mark.parametrize(("lengths", "chunks"), LAYOUTS)
@pytest.mark.parametrize("values", [1, 2**20])
def test_each_chunk_is_decoded_once(
    forecast, analysis, models, decoded, tmp_path, monkeypatch, lengths, chunks, values
):
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 4)
    ordered = forecast.sortby("init_time")
    parts = [  # zarr leaves out chunks that are missing altogether
        stored(ordered, tmp_path / "f", "fill", **chunks),
        stored(analysis.isel(time=LATE), tmp_path / "a", "fill", **lengths),
    ]
    options = {"block_values": values}
    got = run(*parts, models, num_threads=3, **options)
    assert max(decoded.values()) == 1
    names = {"wind", "surface", "pressure"}
    assert {(store, path) for store, path, _ in decoded} == {(s, n) for s in "fa" for n in names}
    assert got == run(*parts, models, num_threads=1, **options)


def test_what_is_kept_is_compared_by_one_reading_or_none(
    forecast, analysis, models, decoded, tmp_path
):
    forecast = forecast.sortby("init_time")
    contents = {time: str(n) for n, time in enumerate(forecast.init_time.values)}
    late = analysis.isel(time=LATE)
    parts = stored(forecast, tmp_path / "f"), stored(late, tmp_path / "a", time=11)

    def once(known_as):
        decoded.clear()
        kept = KeptSums(tmp_path / "sums", contents, analysis=known_as)
        got = run(*parts, models, kept=kept)
        return got, kept, {store for store, _, _ in decoded}, max(decoded.values(), default=0)

    first, kept, stores, most = once(None)
    assert (kept.taken, stores, most) == ([], {"f", "a"}, 1)
    for known_as, stores in ((None, {"a"}), ("x", {"a"}), ("x", set()), ("y", {"a"}), ("y", set())):
        got, kept, read, most = once(known_as)
        assert (got, kept.made, read) == (first, [], stores)
        assert most == len(stores)


def test_states_of_the_analysis_that_are_wanted_but_absent_are_named(forecast, analysis, models):
    with pytest.raises(ValueError, match=r"analysis: has no pressure 500 hPa, which the baseline"):
        evaluate(forecast, analysis.isel(level=[2, 0]), **models)
    few = {"climatology": Climatology(models["climatology"].coefficients[["wind"]])}
    with pytest.raises(ValueError, match="climatology: lacks surface, which is scored"):
        evaluate(forecast, analysis, **few)


def test_an_error_of_a_thread_is_told_and_ends_the_rest(forecast, analysis, models, tmp_path):
    lazy = stored(analysis.isel(time=LATE), tmp_path / "a", time=1)
    (tmp_path / "a" / "wind" / "46.0.0.0").unlink()
    with pytest.raises(ValueError, match=r"chunk .* is missing"):
        evaluate(forecast, lazy, **models, num_threads=2)


@pytest.mark.parametrize("number", [0, 3])
def test_an_interrupt_leaves_no_thread_at_work(forecast, analysis, models, monkeypatch, number):
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 2)

    def progress(blocks):
        yield from blocks[:number]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:  # and what is on its way up is still held
        evaluate(forecast, analysis, **models, num_threads=3, progress=progress)
    assert error.tb
    assert not [t.name for t in threading.enumerate() if t.name.startswith("axialcast-")]
