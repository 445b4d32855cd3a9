"""What counts as missing, whatever type, text or precision says so; and what is data."""

import json
import logging

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from axialcast.data import Analysis, open_analysis

SHAPE = (5, 3, 7)
DIMS = ("time", "latitude", "longitude")
COORDS = {
    "time": (np.arange(5) * 6.0, "hours since 2001-01-01"),
    "latitude": (np.array([60.0, 0.0, -60.0]), "degrees_north"),
    "longitude": (np.arange(7) * 360 / 7, "degrees_east"),
}


def rain(dtype="f4"):
    """Precipitation whose cells are mostly dry."""
    rng = np.random.default_rng(0)
    values = np.where(rng.random(SHAPE) < 0.7, 0, rng.integers(1, 90, SHAPE))
    return values.astype(dtype)


def write_zarr(folder, values, attrs=None, *, zarr_format=2, fill_value=0, units="mm"):
    """A store as zarr alone writes it, coordinates with fill value 0 as well."""
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    fields = {"tp": (values, DIMS, {"units": units, **(attrs or {})}, fill_value)}
    fields |= {n: (v, (n,), {"units": u}, 0) for n, (v, u) in COORDS.items()}
    for name, (data, dims, said, fill) in fields.items():
        options = {"dimension_names": dims} if zarr_format == 3 else {}
        array = group.create_array(
            name,
            shape=data.shape,
            dtype=data.dtype,
            fill_value=fill,
            config={"write_empty_chunks": True},
            **options,
        )
        array[...] = data
        array.attrs.update(said if options else {**said, "_ARRAY_DIMENSIONS": list(dims)})
    return folder


def write_netcdf(path, values, attrs, *, fill_value=None):
    with netCDF4.Dataset(path, "w") as file:
        for name, (data, units) in COORDS.items():
            file.createDimension(name, len(data))
            coord = file.createVariable(name, "f8", (name,))
            coord.units, coord[:] = units, data
        field = file.createVariable("tp", values.dtype, DIMS, fill_value=fill_value)
        field.set_auto_maskandscale(False)
        field.setncatts({"units": "mm", **attrs})
        field[:] = values
    return path


def read(store, **options):
    """Millimetres of rain."""
    return 1000 * open_analysis(store, **options)["total_precipitation"].values


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1", "i8"])
def test_zeros_are_data_where_zarr_fills_with_zero(tmp_path, zarr_format, dtype):
    folder = write_zarr(tmp_path / "a.zarr", rain(dtype), zarr_format=zarr_format)
    opened = open_analysis(folder)
    assert opened.time.values[0] == np.datetime64("2001-01-01T00")
    assert opened.longitude.values[0] == 0
    np.testing.assert_allclose(read(folder), rain(), rtol=1e-6)


@pytest.mark.parametrize(
    ("attrs", "fill_value"),
    [
        ({"_FillValue": 0}, 0),
        ({"_FillValue": 0}, 7),
        ({"missing_value": 0}, 0),
        ({"_FillValue": "0"}, 7),
    ],
)
def test_zeros_are_missing_where_an_attribute_says_so(tmp_path, attrs, fill_value):
    folder = write_zarr(tmp_path / "a.zarr", rain("i2"), attrs, fill_value=fill_value)
    missing = (rain() == 0) | (rain() == (fill_value if "missing_value" in attrs else 0))
    np.testing.assert_array_equal(np.isnan(read(folder)), missing)


@pytest.mark.parametrize("mark", [np.nan, -32767.0, 1e20, 9.969209968386869e36, -9999.0])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_xarray_marks_missing_is_missing(tmp_path, mark, zarr_format):
    values = rain()
    values[1, 2, 3] = np.nan
    dataset = xr.Dataset({"tp": (DIMS, values, {"units": "mm"})})
    dataset = dataset.assign_coords({n: (n, v, {"units": u}) for n, (v, u) in COORDS.items()})
    encoding = {"tp": {"_FillValue": np.float32(mark)}}
    dataset.to_zarr(
        tmp_path / "a", zarr_format=zarr_format, encoding=encoding, consolidated=zarr_format == 2
    )
    np.testing.assert_allclose(read(tmp_path / "a"), values, rtol=1e-6)


def test_a_plain_number_marks_missing_data_in_version_3(tmp_path):
    values = rain()
    values[1, 2, 3] = -9999
    for mark in (-9999.0, "-9999"):
        folder = write_zarr(tmp_path / "a", values, {"_FillValue": mark}, zarr_format=3)
        assert np.argwhere(np.isnan(read(folder))).tolist() == [[1, 2, 3]]
    folder = write_zarr(tmp_path / "a", values, {"_FillValue": "much"}, zarr_format=3)
    with pytest.raises(ValueError, match=r"a: _FillValue: expected a number, got 'much'"):
        open_analysis(folder)


def test_packed_zeros_of_version_2_are_data_and_the_log_says_so(tmp_path, caplog):
    packed = np.arange(105, dtype="i2").reshape(SHAPE)
    attrs = {"scale_factor": 0.5, "add_offset": 2.0}
    folder = write_zarr(tmp_path / "a", packed, attrs)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(read(folder), packed * 0.5 + 2, rtol=1e-6)
    assert "tp: its fill_value is 0" in caplog.text
    assert "set the attribute _FillValue" in caplog.text
    caplog.clear()
    write_zarr(folder, packed, {"scale_factor": 0.5})  # nothing but rain
    np.testing.assert_allclose(read(folder), packed * 0.5, rtol=1e-6)
    assert not caplog.records


def test_absent_chunks_are_filled_with_what_the_store_says(tmp_path):
    for fill_value, dtype, want in [(0, "f4", 0), (None, "f4", np.nan), (3, "i2", np.nan)]:
        folder = write_zarr(tmp_path / "a", rain(dtype), fill_value=fill_value)
        (folder / "tp" / "0.0.0").unlink()
        with pytest.raises(ValueError, match=r"data\.missing_chunks: fill"):
            read(folder)
        np.testing.assert_array_equal(read(folder, missing_chunks="fill"), np.full(SHAPE, want))
    folder = write_zarr(tmp_path / "a", rain("i2"), fill_value=0)
    described = json.loads((folder / "tp" / ".zarray").read_text())
    (folder / "tp" / ".zarray").write_text(json.dumps({**described, "fill_value": None}))
    (folder / "tp" / "0.0.0").unlink()
    with pytest.raises(ValueError, match="is missing, and no fill_value says what to read"):
        read(folder, missing_chunks="fill")


@pytest.mark.parametrize(
    ("attrs", "fill_value", "missing"),
    [
        ({"missing_value": np.float64(1e20)}, None, [1e20]),  # of no single-precision number
        ({"missing_value": "1e20"}, None, [1e20]),
        ({"missing_value": np.array([1e20, -9999], "f4")}, None, [1e20, -9999]),
        ({"missing_value": np.float32(-9999)}, np.float32(1e20), [1e20, -9999]),
        ({"missing_value": "none"}, None, []),
        ({"valid_range": np.array([0, 1000], "f4")}, None, [1e20, -9999]),
        ({"valid_range": np.array([0, 1000], "f8")}, None, [1e20, -9999]),
        ({"valid_min": np.float32(0)}, None, [-9999]),
        ({"valid_max": np.int16(1000)}, None, [1e20]),
        ({"valid_range": np.array([0, 0], "f4")}, None, []),  # says nothing
        ({"valid_range": np.array([0, 1, 2], "f4")}, None, []),
        ({"valid_range": "0 to 1000"}, None, []),
    ],
)
def test_marks_and_ranges_of_any_type_count(tmp_path, attrs, fill_value, missing):
    values = rain()
    values[1, 2, 3], values[2, 0, 5] = 1e20, -9999
    path = write_netcdf(tmp_path / "a.nc", values, attrs, fill_value=fill_value)
    want = np.where(np.isin(values, np.array(missing, "f4")), np.nan, values)
    np.testing.assert_allclose(read(path), want, rtol=1e-6)
    read_back = 1000 * Analysis(open_analysis(path)).read([2, 1])[:, 0]
    np.testing.assert_allclose(read_back, want[[2, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("limits", "missing"),
    [
        (np.array([-20, 20], "i2"), [-30000, 30000, 40]),  # packed as the values are
        (np.array([270.0, 290.0], "f4"), [-30000, 30000]),  # in their units
    ],
)
def test_ranges_of_packed_values_are_packed_if_their_type_is(tmp_path, limits, missing):
    packed = np.zeros(SHAPE, "i2")
    packed.flat[:6] = [-30000, 30000, -20, 20, 0, 40]
    attrs = {"scale_factor": 0.1, "add_offset": 280.0, "valid_range": limits}
    got = read(write_netcdf(tmp_path / "a.nc", packed, attrs))
    want = np.where(np.isin(packed, missing), np.nan, packed * 0.1 + 280)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_rounding_takes_nothing_away_at_the_ends_of_a_range(tmp_path):
    packed = np.resize(np.arange(105, dtype="i2"), SHAPE)
    attrs = {"scale_factor": 0.1, "valid_min": np.float32(0.3)}  # which is above 3 x 0.1
    got = read(write_netcdf(tmp_path / "a.nc", packed, attrs))
    want = np.where(packed < 3, np.nan, packed * 0.1)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_unsigned_numbers_of_signed_types_are_read_as_such(tmp_path):
    plain = np.arange(105, dtype="u1").reshape(SHAPE) + np.uint8(120)
    attrs = {"_Unsigned": "true", "valid_range": np.array([0, 200], "u1").view("i1")}
    path = write_netcdf(tmp_path / "a.nc", plain.view("i1"), attrs)
    want = np.where(plain > 200, np.nan, plain.astype(float))
    np.testing.assert_allclose(read(path), want, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, 0.0, "much", np.array([0.1, 0.2])])
def test_a_scale_that_cannot_be_is_refused(tmp_path, bad):
    path = write_netcdf(tmp_path / "a.nc", rain("i2"), {"scale_factor": bad})
    with pytest.raises(ValueError, match=r"a\.nc: tp: scale_factor: expected one finite") as raised:
        open_analysis(path)
    assert "\n" not in str(raised.value)


def test_a_scale_that_is_text_or_a_list_of_one_is_a_number(tmp_path):
    for scale in ("0.5", np.array([0.5])):
        path = write_netcdf(tmp_path / "a.nc", rain("i2"), {"scale_factor": scale})
        np.testing.assert_allclose(read(path), 0.5 * rain(), rtol=1e-6)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["f4", "i2", "i4"])
def test_two_marks_are_two_marks(tmp_path, zarr_format, dtype):
    values = rain(dtype)
    values[1, 2, 3], values[2, 0, 5] = -99, -999
    attrs = {"_FillValue": -99, "missing_value": -999}
    folder = write_zarr(tmp_path / "a", values, attrs, zarr_format=zarr_format)
    want = np.where(values < 0, np.nan, values)
    np.testing.assert_allclose(read(folder), want, rtol=1e-6)
    folder = write_zarr(tmp_path / "a", values, {"missing_value": [-99, -999]}, zarr_format=3)
    np.testing.assert_allclose(read(folder), want, rtol=1e-6)


@pytest.mark.parametrize(("zarr_format", "is_mark"), [(2, True), (3, False)])
def test_what_an_absent_chunk_reads_as_marks_missing_data_in_version_2_alone(
    tmp_path, zarr_format, is_mark
):
    values = rain()
    values[2] = 7
    folder = write_zarr(tmp_path / "a.zarr", values, zarr_format=zarr_format, fill_value=7)
    want = np.where(values == 7, np.nan, values) if is_mark else values
    np.testing.assert_allclose(read(folder), want, rtol=1e-6)
