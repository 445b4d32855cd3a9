"""What is read at once is bounded, whatever the layout of a file, and the values are the same."""

import pickle

import netCDF4
import numpy as np
import pytest
import xarray as xr

from axialcast.data import Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.data.arrays.backed import Backed
from axialcast.data.opening.kinds.stacked import Layout
from axialcast.data.opening.kinds.uncached import uncached
from axialcast.data.preparing import conversion, shards
from axialcast.data.preparing.conversion import convert
from axialcast.data.preparing.planned import planned
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.shards import write_shards
from axialcast.data.reader import Analysis
from axialcast.data.windows import loader
from axialcast.grid import LatLonGrid

TIMES, HEIGHT, WIDTH = 197, 9, 11
STATE_BYTES = 2 * 4 * HEIGHT * WIDTH
DIMS = ("time", "latitude", "longitude")
LAYOUTS = {
    "classic": {"format": "NETCDF3_CLASSIC"},
    "contiguous": {"format": "NETCDF4"},
    "chunks of 13 times": {"chunks": (13, HEIGHT, WIDTH)},
    "chunks of all times": {"chunks": (TIMES, 3, 5)},
    "a cell a chunk": {"chunks": (TIMES, 1, 1)},
    "time last": {"dims": DIMS[::-1]},
}


@pytest.fixture
def fields():
    """Two fields in units that are converted, every six hours, one of them summed over days."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((2, TIMES, HEIGHT, WIDTH)).astype(np.float32)
    grid = LatLonGrid.regular(HEIGHT, WIDTH, poles=False)
    start = np.datetime64("2001-01-01", "ns")
    labels = {
        "time": start + np.arange(TIMES) * np.timedelta64(6, "h"),
        "latitude": ("latitude", grid.latitude, {"units": "degrees_north"}),
        "longitude": ("longitude", grid.longitude, {"units": "degrees_east"}),
    }
    msl, rain = 1013 + values[0], np.abs(values[1])
    return xr.Dataset(
        {"msl": (DIMS, msl, {"units": "hPa"}), "tp": (DIMS, rain, {"units": "mm"})}, labels
    )


@pytest.fixture
def write(fields, tmp_path):
    def write(layout, *, zarr=False):
        options = LAYOUTS[layout]
        dataset = fields.transpose(*options.get("dims", DIMS))
        if zarr:
            encoding = {name: {"chunks": options["chunks"]} for name in fields}
            dataset.to_zarr(tmp_path / "a.zarr", encoding=encoding, zarr_format=2)
            return tmp_path / "a.zarr"
        chunks = options.get("chunks")
        encoding = {n: {"chunksizes": chunks, "zlib": True} for n in fields} if chunks else None
        kind = options.get("format", "NETCDF4")
        dataset.to_netcdf(tmp_path / "a.nc", format=kind, encoding=encoding)
        return tmp_path / "a.nc"

    return write


@pytest.fixture
def read(monkeypatch):
    """Rows that were read at once, one entry for each read."""
    found = []
    plain = Analysis.read

    def counted(self, rows, **options):
        found.append(len(range(len(self))[rows]) if isinstance(rows, slice) else len(rows))
        return plain(self, rows, **options)

    monkeypatch.setattr(Analysis, "read", counted)
    return found


def in_canonical_units(fields):
    """(n, c, h, w) by hand."""
    return np.stack([fields.msl.values * 100, fields.tp.values / 1000], 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_hold_what_the_file_holds(layout, write, fields):
    analysis = open_analysis(write(layout))
    one = np.ones(2)
    states = States(analysis, Channels.of(analysis), Statistics(0 * one, one, one))
    (batch,) = WindowLoader(
        states, input_steps=2, target_steps=1, batch_size=TIMES - 2, shuffle=False
    )
    expected = in_canonical_units(fields)
    for step in range(3):
        found = batch.states[:, step].numpy()
        np.testing.assert_allclose(found, expected[step : step + TIMES - 2], rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("hours", "coarse"), [(None, True), (24, False), (24, True), (240, False)])
def test_conversions_read_little_at_once(layout, hours, coarse, write, fields, read, monkeypatch):
    monkeypatch.setattr(conversion, "READ_BYTES", 11 * STATE_BYTES)
    monkeypatch.setattr(conversion, "MOST_BYTES", 17 * STATE_BYTES)
    grid = LatLonGrid.regular(3, WIDTH, poles=False) if coarse else None
    converted = convert(
        open_analysis(write(layout)), aggregate_hours=hours, accumulated=["tp"], grid=grid
    )
    found = Analysis(converted).read(slice(None))
    assert max(read[1:]) <= 17  # after the whole of what is converted
    expected = in_canonical_units(fields).astype(np.float64)
    if hours:
        length = hours // 6
        num = (TIMES - 1) // length
        means = expected[: num * length, 0].reshape(num, length, HEIGHT, WIDTH).mean(1)
        sums = expected[1 : num * length + 1, 1].reshape(num, length, HEIGHT, WIDTH).sum(1)
        expected = np.stack([means, sums], 1)
    if coarse:
        bands = np.diff(np.sin(np.radians(np.linspace(90, -90, HEIGHT + 1)))).reshape(3, 3)
        rows = expected.reshape(*expected.shape[:2], 3, 3, WIDTH)
        expected = np.einsum("ncHhw,Hh->ncHw", rows, bands / bands.sum(1, keepdims=True))
    np.testing.assert_allclose(found, expected, rtol=3e-6)


def test_means_are_the_same_however_much_is_read_at_once(write, monkeypatch):
    analysis = open_analysis(write("classic"))
    found = []
    for states in (1, 7, 1000):
        monkeypatch.setattr(conversion, "READ_BYTES", states * STATE_BYTES)
        converted = convert(analysis, aggregate_hours=120, accumulated=["tp"])
        found.append(Analysis(converted).read(slice(None)))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("zarr", [False, True])
def test_shards_of_a_long_chunk_are_read_together(zarr, write, fields, read, monkeypatch, tmp_path):
    recipe = Recipe(
        str(write("chunks of all times", zarr=zarr)), train=("2001-01-03", "2001-02-10")
    )
    most = 2 * Layout.of(2, HEIGHT * WIDTH).shard[0] + 3
    monkeypatch.setattr(shards, "MOST_BYTES", most * STATE_BYTES)
    made = Preparation(recipe, tmp_path / "together.zarr")
    runs = made.missing_together()
    assert [n for run in runs for n in run] == made.missing()
    assert {len(run) for run in runs[:-1]} == {2}
    read.clear()
    for run in runs:
        write_shards(str(made.work), run)
    assert max(read) <= most
    manifest = made.finish()
    alone = Preparation(recipe, tmp_path / "alone.zarr")
    for number in alone.missing():
        write_shards(str(alone.work), [number])
    for key in ("statistics", "missing", "shards"):
        assert alone.finish()[key] == manifest[key]
    found = Analysis(open_analysis(tmp_path / "together.zarr")).read(slice(None))
    np.testing.assert_allclose(found, in_canonical_units(fields), rtol=1e-6)


def test_short_chunks_leave_shards_alone(write, tmp_path):
    recipe = Recipe(str(write("classic")), train=("2001-01-03", "2001-02-10"))
    made = Preparation(recipe, tmp_path / "training.zarr")
    assert made.missing_together() == [[n] for n in made.missing()]


def test_a_planned_training_store_is_laid_out_as_the_one_that_is_written(write, tmp_path):
    path = write("chunks of all times")
    recipe = Recipe(str(path), train=("2001-01-03", "2001-02-10"))
    made = Preparation(recipe, tmp_path / "training.zarr")
    for run in made.missing_together():
        write_shards(str(made.work), run)
    made.finish()
    analysis = Analysis(open_analysis(path))
    written, before = Analysis(open_analysis(tmp_path / "training.zarr")), planned(analysis)
    assert (before.chunk, before.shape, len(before)) == (written.chunk, written.shape, TIMES)
    assert before.channels == written.channels
    assert before.grid == written.grid
    assert analysis.chunk == TIMES


def test_chunks_longer_than_the_buffer_are_refused_with_prepare_as_the_remedy(write, monkeypatch):
    monkeypatch.setattr(loader, "PAGE_BYTES", 10 * STATE_BYTES)
    analysis = open_analysis(write("chunks of all times"))
    one = np.ones(2)
    known = Statistics(0 * one, one, one)
    states = States(analysis, Channels.of(analysis), known, buffer_bytes=60 * STATE_BYTES)
    with pytest.raises(ValueError, match=rf"put prepare into the pipeline.* {TIMES} times"):
        WindowLoader(states, input_steps=2, target_steps=1, batch_size=2)


@pytest.mark.parametrize("layout", ["classic", "time last", "a cell a chunk"])
def test_a_dataset_opened_elsewhere_is_read_in_parts(layout, write, fields, monkeypatch):
    asked = []
    pieces = Backed.pieces

    def counted(self, box):
        for where, values in pieces(self, box):
            asked.append(values.size)
            yield where, values

    monkeypatch.setattr(Backed, "pieces", counted)
    with xr.open_dataset(write(layout)) as opened:
        analysis = Analysis(open_analysis(opened))
        assert not asked
        found = analysis.read([31])
        assert sum(asked) == 2 * HEIGHT * WIDTH
        np.testing.assert_allclose(found[0], in_canonical_units(fields)[31], rtol=1e-6)


def test_a_dataset_in_memory_is_converted_when_it_is_read_and_stays_as_it_is(fields):
    before = fields.copy(deep=True)
    analysis = Analysis(open_analysis(fields))
    expected = in_canonical_units(fields)
    np.testing.assert_allclose(analysis.read([3, 190]), expected[[3, 190]], rtol=1e-6)
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(analysis)).read([5]), expected[[5]], rtol=1e-6
    )
    xr.testing.assert_identical(fields, before)


@pytest.mark.parametrize("again", [False, True])
def test_hdf5_keeps_no_chunk(again, write):
    store = uncached(write("chunks of 13 times"))
    store = pickle.loads(pickle.dumps(store)) if again else store
    assert store.ds["msl"].get_var_chunk_cache()[0] == 0
    store.close()


def test_classic_files_have_no_cache_to_be_without(write):
    store = uncached(write("classic"))
    assert isinstance(store.ds, netCDF4.Dataset)
    assert store.ds["msl"].shape == (TIMES, HEIGHT, WIDTH)
    store.close()
