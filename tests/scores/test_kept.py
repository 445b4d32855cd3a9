"""Sums that are kept: the same scores to the bit, at the cost of what is new, never another's."""

import numpy as np
import pytest
import xarray as xr

from axialcast.files import clearing, inventory
from axialcast.scores import blocks_of, keep_sums
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

DAY = np.timedelta64(86_400_000_000_000, "ns")
LEADS = np.array([1, 2, 3]) * DAY
START, NUM = 700, 61  # days of the analysis; these are in eight blocks


@pytest.fixture(autouse=True)
def blocks_of_eight_days(monkeypatch):
    monkeypatch.setattr("axialcast.scores.blocks.LONGEST_DAYS", 8)


@pytest.fixture(scope="module")
def analysis(analysis_of):
    rng = np.random.default_rng(5)
    analysis = analysis_of(1000 + 10 * rng.standard_normal((800, 2, 5, 7)), levels=[500, 850])
    surface = analysis.pressure.isel(level=0, drop=True) * 3
    return analysis.assign(surface=surface.assign_attrs(units="m2 s-2"))


@pytest.fixture(scope="module")
def forecast(analysis, forecast_of):
    error = np.random.default_rng(6).standard_normal((NUM, 3, 1, 5, 7))
    return forecast_of(
        analysis[["pressure"]], analysis.time.values[START:][:NUM], LEADS, error=error
    )


@pytest.fixture(scope="module")
def models(analysis):
    training = analysis.isel(time=slice(START))
    climatology = Climatology.fit(training, harmonics=1)
    return {
        "climatology": climatology,
        "baselines": {
            "persistence": Persistence(),
            "climatology": climatology,
            "damped_persistence": DampedPersistence.fit(training, climatology, lead_times=LEADS),
            "linear_inverse_model": LinearInverseModel.fit(training, climatology),
        },
    }


def contents(forecast):
    return {
        str(time): checksum([a.values for a in forecast.sel(init_time=time).data_vars.values()])
        for time in forecast.init_time.values
    }


class Run:
    """One verification: its result as bytes, and the blocks that it computed."""

    def __init__(
        self, forecast, analysis, models, folder=None, stop_after=None, known_as=None, **options
    ):
        every, self.said = [], []
        self.drawn = DrawnField(forecast)

        def progress(blocks):
            for number, block in enumerate(blocks):
                if number == stop_after:
                    raise KeyboardInterrupt
                every.append(block.day)
                yield block

        kept = folder and KeptSums(
            folder, contents(forecast), warn=self.said.append, analysis=known_as
        )
        self.scores = evaluate(
            forecast, analysis, **models, progress=progress, kept=kept, drawn=self.drawn, **options
        )
        taken = kept.taken if folder else []
        self.computed = [str(day) for day in every if day not in taken]
        arrays = {str(name): array.values for name, array in self.scores.variables.items()}
        drawn = [self.drawn.error, self.drawn.scale, self.drawn.cases]
        self.bits = checksum([arrays, drawn])


@pytest.fixture
def once(forecast, analysis, models):
    return Run(forecast, analysis, models)


def test_kept_sums_give_the_same_scores(forecast, analysis, models, once, tmp_path):
    first = Run(forecast, analysis, models, tmp_path)
    again = Run(forecast, analysis, models, tmp_path)
    assert first.bits == again.bits == once.bits
    assert first.computed == once.computed
    assert len(once.computed) == 8
    assert again.computed == []
    names = sorted(path.name[:10] for path in tmp_path.glob("*.sums"))
    assert names == once.computed


@pytest.mark.parametrize("memory_gib", [2.0, 1e-6])
def test_sums_that_others_kept_are_all_taken(
    forecast, analysis, models, once, tmp_path, memory_gib
):
    assert len(blocks_of(forecast)) == 8
    # In any order, one of them twice, as tasks whose worker is lost.
    for only in (slice(5, 8), slice(0, 2), slice(2, 5), slice(0, 2)):
        kept = KeptSums(tmp_path, contents(forecast))
        settings = {"memory_gib": memory_gib, "num_threads": 1, "drawn": DrawnField(forecast)}
        keep_sums(forecast, analysis, only=only, kept=kept, **models, **settings)
    run = Run(forecast, analysis, models, tmp_path, memory_gib=memory_gib)
    assert run.computed == []
    assert run.bits == once.bits


@pytest.mark.parametrize("memory_gib", [2.0, 1e-6])
def test_sums_of_the_same_analysis_are_added_without_reading_it(
    forecast, analysis, models, once, tmp_path, memory_gib, monkeypatch
):
    settings = {"known_as": "this", "memory_gib": memory_gib}
    Run(forecast, analysis, models, tmp_path, **settings)

    def read(*_: object, **__: object) -> None:
        raise AssertionError("was read")

    monkeypatch.setattr("axialcast.scores.window.Window.begin", read)
    again = Run(forecast, analysis, models, tmp_path, **settings)
    assert again.bits == once.bits


@pytest.mark.parametrize("stop", range(8))
def test_stopped_after_any_block_it_goes_on(forecast, analysis, models, once, tmp_path, stop):
    with pytest.raises(KeyboardInterrupt):
        Run(forecast, analysis, models, tmp_path, stop_after=stop)
    rest = Run(forecast, analysis, models, tmp_path)
    assert rest.computed == once.computed[stop:]
    assert rest.bits == once.bits


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (slice(0, 43), [5, 6, 7]),  # added at the end; block 5 grows
        (slice(10, None), [0, 1]),  # before
        (np.r_[0:20, 24:NUM], [2, 3]),  # between
        (slice(0, None, 2), range(8)),  # everywhere
        (slice(0, 0), range(8)),
    ],
)
def test_added_initial_times_cost_their_blocks(
    forecast, analysis, models, once, tmp_path, known, new
):
    some = forecast.isel(init_time=known)
    if some.sizes["init_time"]:
        alone = Run(some, analysis, models)
        assert Run(some, analysis, models, tmp_path).bits == alone.bits
    grown = Run(forecast, analysis, models, tmp_path)
    assert grown.bits == once.bits
    assert grown.computed == [once.computed[block] for block in new]
    assert len(list(tmp_path.glob("*.sums"))) == 8
    if some.sizes["init_time"]:
        assert Run(some, analysis, models, tmp_path).bits == alone.bits


def test_the_order_of_initial_times_does_not_matter(forecast, analysis, models, once):
    shuffled = forecast.isel(init_time=np.random.default_rng(0).permutation(NUM))
    run = Run(shuffled, analysis, models)
    xr.testing.assert_identical(run.scores, once.scores)
    case = shuffled.init_time.values[run.drawn.typical_case()]
    assert case == forecast.init_time.values[once.drawn.typical_case()]


def test_chunks_do_not_matter_to_the_bit(forecast, analysis, models, once, tmp_path):
    chunked = forecast.chunk(init_time=5, lead_time=2), analysis.chunk(time=13, latitude=2)
    assert Run(*chunked, models, tmp_path).bits == once.bits
    assert Run(forecast, analysis, models, tmp_path).computed == []


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-8])


def other(path):
    """Another block's sums under this one's name."""
    path.write_bytes(sorted(path.parent.glob("*.sums"))[0].read_bytes())


@pytest.mark.parametrize("harm", [flipped, emptied, cut, other])
def test_damaged_sums_are_named_and_computed_anew(forecast, analysis, models, once, tmp_path, harm):
    Run(forecast, analysis, models, tmp_path)
    path = sorted(tmp_path.glob("*.sums"))[3]
    harm(path)
    run = Run(forecast, analysis, models, tmp_path)
    assert run.bits == once.bits
    assert run.computed == [once.computed[3]]
    assert run.said == [
        f"{path}: damaged, its checksum differs; these initial times are scored again"
    ]


def test_deleted_sums_are_computed_anew_and_foreign_files_stay(
    forecast, analysis, models, once, tmp_path
):
    Run(forecast, analysis, models, tmp_path)
    paths = sorted(tmp_path.glob("*.sums"))
    paths[6].unlink()
    old = tmp_path / f"2001-01-01-{'0' * 64}.sums"
    mine = [tmp_path / "mine.sums", tmp_path / "2001-01-01-notes.txt"]
    for path in (old, *mine):
        path.write_text("text")
    run = Run(forecast, analysis, models, tmp_path)
    assert run.bits == once.bits
    assert run.computed == [once.computed[6]]
    assert sorted(tmp_path.glob("2*")) == sorted([*paths, mine[1]])
    assert mine[0].exists()
    assert inventory.problems(tmp_path, read_all=True) == []
    clearing.clear(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(mine)


def blocks_with(once, forecast, times):
    """The blocks, by first day, that initial times are in."""
    starts = np.array(once.computed, "datetime64[D]")
    numbers = {int(np.searchsorted(starts, time, side="right")) - 1 for time in times}
    return [once.computed[number] for number in sorted(numbers)]


def test_a_corrected_truth_costs_the_blocks_that_it_is_of(
    forecast, analysis, models, once, tmp_path
):
    Run(forecast, analysis, models, tmp_path)
    corrected = analysis.copy(deep=True)
    corrected.pressure[START + 20, 1, 2, 3] += 0.001
    run = Run(forecast, corrected, models, tmp_path)
    time = analysis.time.values[START + 20]
    # It verifies the forecasts of three days before, begins its own and precedes the next.
    users = [time + day * DAY for day in (-3, -2, -1, 0, 1)]
    assert run.computed == blocks_with(once, forecast, users)
    assert 0 < len(run.computed) < 8
    assert run.bits == Run(forecast, corrected, models).bits != once.bits


def test_an_analysis_that_was_extended_costs_what_it_verifies(
    forecast, analysis, models, once, tmp_path
):
    short = analysis.isel(time=slice(START + NUM - 1))
    first = Run(forecast, short, models, tmp_path)
    assert first.bits == Run(forecast, short, models).bits != once.bits
    run = Run(forecast, analysis, models, tmp_path)
    assert run.bits == once.bits
    first_without = analysis.time.values[START + NUM - 1] - LEADS[-1]
    last = forecast.init_time.values[-1]
    assert run.computed == blocks_with(once, forecast, [first_without, last])
    longer = xr.concat([analysis, analysis.assign_coords(time=analysis.time + 800 * DAY)], "time")
    assert Run(forecast, longer, models, tmp_path).computed == []


def test_a_changed_forecast_costs_its_block(forecast, analysis, models, once, tmp_path):
    Run(forecast, analysis, models, tmp_path)
    changed = forecast.copy(deep=True)
    changed.pressure[30, 2, 0, 4, 6] += 0.5
    run = Run(changed, analysis, models, tmp_path)
    assert run.computed == blocks_with(once, forecast, forecast.init_time.values[[30]])
    assert run.bits == Run(changed, analysis, models).bits != once.bits


def test_other_regions_baselines_and_labels_cost_everything(
    forecast, analysis, models, once, tmp_path
):
    north = {"regions": {"north": {"latitude": [10, 90], "longitude": [0, 200]}}}
    training = analysis.isel(time=slice(START))
    others = [
        (forecast, analysis, models, north),
        (forecast, analysis, {**models, "climatology": Climatology.fit(training, harmonics=0)}, {}),
        (forecast, analysis, {**models, "baselines": {}}, {}),
        (
            forecast,
            analysis,
            {
                **models,
                "baselines": {
                    "model": LinearInverseModel.fit(training, models["climatology"], ridge=0.1)
                },
            },
            {},
        ),
        (forecast.isel(lead_time=slice(2)), analysis, models, {}),
        (forecast.isel(level=[0]), analysis, models, {}),
        (forecast, analysis, models, {"block_values": 700}),
    ]
    for changed, truth, scored, options in others:
        Run(forecast, analysis, models, tmp_path)
        run = Run(changed, truth, scored, tmp_path, **options)
        assert run.computed == once.computed
        assert run.bits == Run(changed, truth, scored, **options).bits


def test_names_and_other_metrics_cost_nothing(forecast, analysis, models, once, tmp_path):
    area = {"latitude": [10, 90], "longitude": [0, 200]}
    Run(forecast, analysis, models, tmp_path, regions={"north": area})
    run = Run(forecast, analysis, models, tmp_path, regions={"up": area}, metrics=["mae"])
    assert run.computed == []
    alone = Run(forecast, analysis, models, regions={"up": area}, metrics=["mae"])
    assert run.bits == alone.bits


def test_sums_of_another_arithmetic_are_not_mixed(
    forecast, analysis, models, once, tmp_path, monkeypatch
):
    Run(forecast, analysis, models, tmp_path)
    monkeypatch.setattr("axialcast.scores.kept._arithmetic", lambda: "another processor's")
    assert Run(forecast, analysis, models, tmp_path).computed == once.computed


class Constant:
    """A baseline of a user's that says nothing of itself."""

    def forecast(self, analysis, init_times, lead_times):
        state = xr.full_like(analysis.isel(time=0, drop=True), 1000.0)
        return state.expand_dims({"init_time": init_times, "lead_time": lead_times})


def test_a_baseline_that_says_nothing_of_itself_is_scored_but_not_kept(
    forecast, analysis, models, tmp_path
):
    own = {**models, "baselines": {"constant": Constant()}}
    assert np.isfinite(Run(forecast, analysis, own).scores.pressure.sel(metric="rmse")).all()
    for said in (["parts"], ["states"], []):
        constant = Constant()
        vars(constant).update(dict.fromkeys(said, lambda times=None: times))
        own = {**models, "baselines": {"constant": constant}}
        with pytest.raises(ValueError, match="baselines: 'constant', a Constant, does not say"):
            Run(forecast, analysis, own, tmp_path)


def test_a_forecast_without_a_checksum_is_refused(forecast, analysis, models, tmp_path):
    some = contents(forecast.isel(init_time=slice(1, None)))
    with pytest.raises(ValueError, match="contents: no checksum of the forecast from 2002-12-02"):
        evaluate(forecast, analysis, **models, kept=KeptSums(tmp_path, some))


def test_a_full_disk_is_told_in_one_line(forecast, analysis, models, tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"\.sums: the disk is full: .* needed, .* free") as error:
        Run(forecast, analysis, models, tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.glob("*.sums")) == []


def test_checksums_tell_kinds_and_lengths_apart():
    array = np.arange(6.0)
    values = [
        *(1, 1.0, "1", True, None, [1], [[1]], [1, 1], ["11"], ["1", "1"], {"1": 1}, {"1": "1"}),
        *(array, array.reshape(2, 3), array.astype("f4"), array[:5], array.astype("m8[s]")),
        *(xr.Dataset({"a": ("x", array)}), xr.Dataset({"b": ("x", array)})),
        *(xr.Dataset({"a": ("y", array)}), xr.Dataset({"a": ("x", array)}, {"x": array})),
        Persistence(),
    ]
    assert len({checksum(value) for value in values}) == len(values)
    swapped = np.arange(12.0).reshape(3, 4).T
    assert checksum(swapped) == checksum(swapped.copy())
    assert checksum(Persistence()) == checksum(Persistence())


def test_what_baselines_have_in_common_is_looked_at_once(
    analysis, forecast_of, models, tmp_path, monkeypatch
):
    looked_at, parts = [], Climatology.parts

    def counting(climatology):
        looked_at.append(climatology)
        return parts(climatology)

    monkeypatch.setattr(Climatology, "parts", counting)
    both = forecast_of(analysis, analysis.time.values[START : START + 3], LEADS)
    run = Run(both, analysis, models, tmp_path, block_values=1, memory_gib=1e-6)
    assert len(list(tmp_path.glob("*.sums"))) == len(run.computed) == 3  # a pass for each channel
    assert [id(climatology) for climatology in looked_at] == [id(models["climatology"])]
