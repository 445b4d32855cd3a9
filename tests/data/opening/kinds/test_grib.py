"""GRIB: every field at its variable, level and valid time, or one line that says why not."""

import logging
import pickle

import numpy as np
import pytest

from axialcast.data import Analysis, open_analysis
from axialcast.data.arrays.lazy import part_of

eccodes = pytest.importorskip("eccodes", exc_type=(ImportError, RuntimeError))
pytest.importorskip("cfgrib", exc_type=(ImportError, RuntimeError))

HEIGHT, WIDTH = 7, 12
CELLS = np.arange(HEIGHT * WIDTH)
GRID = {
    **{"Ni": WIDTH, "Nj": HEIGHT, "iDirectionIncrementInDegrees": 30},
    **{"latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90},
    **{"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 330},
    "jDirectionIncrementInDegrees": 30,
}
AMOUNT = {"productDefinitionTemplateNumber": 8, "stepType": "accum"}


@pytest.fixture
def write(tmp_path):
    """A function that writes messages, each a dict with its first value, and returns the path."""

    def write(messages, sample="regular_ll_pl_grib2", name="a.grib"):
        with (tmp_path / name).open("wb") as file:
            for keys in messages:
                keys = dict(keys)
                value, values = keys.pop("value", 0), keys.pop("values", None)
                message = eccodes.codes_grib_new_from_samples(keys.pop("sample", sample))
                for key, entry in {**GRID, "bitsPerValue": 24, **keys}.items():
                    eccodes.codes_set(message, key, entry)
                values = CELLS + float(value) if values is None else values
                eccodes.codes_set_values(message, np.asarray(values, np.float64))
                eccodes.codes_write(message, file)
                eccodes.codes_release(message)
        return tmp_path / name

    return write


def on(day, hour=0, **keys):
    return {"dataDate": 20200100 + day, "dataTime": 100 * hour, **keys}


def rain(day, steps, value, hour=0, **keys):
    surface = {"shortName": "tp", "typeOfLevel": "surface", "stepRange": steps}
    return {**on(day, hour), **AMOUNT, **surface, "value": value, **keys}


def firsts(array):
    return np.asarray(array)[..., 0, 0]


@pytest.mark.parametrize("edition", [1, 2])
def test_hourly_amounts_of_era5_are_at_their_valid_times(write, edition, caplog):
    """Forecasts of 06 and 18 UTC hold the amounts of 12 hours each: each hour is there once."""
    messages = []
    for day in (1, 2, 3):
        for hour in (6, 18):
            for step in range(1, 13):
                value = 24 * (day - 1) + hour + step
                if edition == 2:
                    messages.append(rain(day, f"{step - 1}-{step}", value, hour))
                else:
                    keys = {"shortName": "tp", "step": step, "value": value}
                    messages.append({**on(day, hour), **keys, "sample": "regular_ll_sfc_grib1"})
    caplog.set_level(logging.INFO, "axialcast")
    rng = np.random.default_rng(7)
    opened = open_analysis(write(rng.permutation(messages)))["total_precipitation"]
    want = np.datetime64("2020-01-01T07", "ns") + np.arange(72) * np.timedelta64(1, "h")
    np.testing.assert_array_equal(opened.time, want)
    np.testing.assert_allclose(firsts(opened), 7 + np.arange(72), atol=1e-4)
    assert "tp is of the lead times 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 h, placed" in caplog.text


@pytest.mark.parametrize("order", [("0-6", "5-6"), ("5-6", "0-6")])
def test_two_amounts_of_one_time_are_refused(write, order):
    path = write([rain(day, steps, day + len(steps)) for day in (1, 2, 3) for steps in order])
    with pytest.raises(ValueError, match="tp has several fields for 2020-01-01T06") as raised:
        open_analysis(path)
    assert f"steps {order[0]}, steps {order[1]}" in str(raised.value)
    assert f"grib_copy -w stepRange={order[0]}" in str(raised.value)
    one = write([rain(day, "5-6", day) for day in (1, 2, 3)])
    np.testing.assert_allclose(firsts(open_analysis(one).total_precipitation), [1, 2, 3], atol=1e-4)


T2M = {"shortName": "2t", "typeOfLevel": "heightAboveGround", "level": 2}
STRANGE = {"discipline": 0, "parameterCategory": 19, "parameterNumber": 201}
MEAN = {"productDefinitionTemplateNumber": 8, "stepType": "avg", "stepRange": "0-6"}


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (
            [rain(d, s, 0) for d in (1, 2) for s in ("0-6", "0-12")],
            r"intervals of several lengths \(steps 0-6, 0-12\)",
        ),
        (
            [rain(d, s, 0) for d in (1, 2) for s in ("0-3", "0-6", "6-9", "6-12")],
            "intervals of several lengths",
        ),
        (
            [{**on(d), **T2M, "stepRange": s} for d in (1, 2, 3) for s in (24, 48)],
            "has several fields for 2020-01-03T00: run of 2020-01-01T00|: steps 48, steps 24",
        ),
        (
            [{**on(d), **T2M, "stepRange": s} for d in (1, 2, 3) for s in (3, 6)],
            "holds forecasts of the lead times 3, 6 h, and their valid times are no even axis",
        ),
        (
            [{**on(d, h), **STRANGE, **kind} for d in (1, 2) for h, kind in ((6, {}), (0, MEAN))],
            r"unknown_0_19_201 has several fields for 2020-01-01T06: steps 0, steps 0-6",
        ),
        (
            [{**on(d, h), **STRANGE, **kind} for d in (1, 2) for h, kind in ((0, {}), (0, MEAN))],
            r"unknown_0_19_201 is of several kinds \(avg, instant\); keep one",
        ),
        (
            [{**on(d), **T2M, "value": v} for d in (1, 2) for v in (0, 5)],
            "two messages with other values; keep one, for instance by: grib_copy -w count=",
        ),
        (
            [
                {**on(d), **T2M, "typeOfProcessedData": t, "value": t}
                for d in (1, 2)
                for t in (0, 1)
            ],
            "several fields for 2020-01-01T00: an, fc",
        ),
    ],
)
def test_what_is_no_series_is_refused(write, messages, message):
    messages = [{"value": number, **keys} for number, keys in enumerate(messages)]
    with pytest.raises(ValueError, match=message) as raised:
        open_analysis(write(messages))
    assert "\n" not in str(raised.value)
    assert "a.grib: " in str(raised.value)


def test_a_field_that_is_there_twice_is_read_once(write, caplog):
    caplog.set_level(logging.INFO, "axialcast")
    path = write([{**on(day), **T2M, "value": day} for day in (1, 2, 2, 3)])
    np.testing.assert_allclose(firsts(open_analysis(path)["2m_temperature"]), [1, 2, 3], atol=1e-4)
    assert "t2m of 2020-01-02T00 is there twice, with equal values" in caplog.text


def test_months_apart_are_a_gap(write):
    """What one asks the Climate Data Store for: the same days of several months."""
    messages = [
        rain(day, f"{step - 1}-{step}", step, hour, dataDate=20200000 + 100 * month + day)
        for month in (1, 3)
        for day in (1, 2, 3)
        for hour in (6, 18)
        for step in range(1, 13)
    ]
    path = write(messages)
    assert open_analysis(path, gaps="keep").sizes["time"] == 144
    with pytest.raises(ValueError, match="cadence changes from 1 h"):
        open_analysis(path)


def test_wind_of_other_heights_is_no_wind_of_pressure_levels(write):
    kinds = [
        {"shortName": "u", "typeOfLevel": "isobaricInhPa", "level": 850, "value": 850},
        {"shortName": "10u", "typeOfLevel": "heightAboveGround", "level": 10, "value": 10},
        {"shortName": "100u", "typeOfLevel": "heightAboveGround", "level": 100, "value": 100},
        {"shortName": "u", "typeOfLevel": "heightAboveGround", "level": 80, "value": 80},
        {"shortName": "u", "typeOfLevel": "potentialVorticity", "level": 2000, "value": 20},
    ]
    path = write([{**on(day), **kind} for day in (1, 2) for kind in kinds])
    opened = open_analysis(path, variables=["u", "10u", "u100"], units={"u100": "m s-1"})
    assert opened["u_component_of_wind"].dims == ("time", "level", "latitude", "longitude")
    np.testing.assert_allclose(firsts(opened["u_component_of_wind"]), [[850], [850]], atol=1e-3)
    np.testing.assert_allclose(firsts(opened["10m_u_component_of_wind"]), [10, 10], atol=1e-3)
    np.testing.assert_allclose(firsts(opened["u100"]), [100, 100], atol=1e-3)
    path = write([{**on(day), **kinds[3]} for day in (1, 2)])
    with pytest.raises(ValueError, match=r"u_component_of_wind|no pressure levels"):
        open_analysis(path, variables=["u"])


def test_levels_in_pascal_and_in_hectopascal_are_one_axis(write):
    levels = [("isobaricInhPa", 10, 10), ("isobaricInhPa", 1, 1), ("isobaricInPa", 50, 0.5)]
    path = write(
        [
            {**on(day), "shortName": "t", "typeOfLevel": kind, "level": level, "value": pressure}
            for day in (1, 2)
            for kind, level, pressure in levels
        ]
    )
    opened = open_analysis(path, levels=[10, 0.5])
    np.testing.assert_allclose(opened.level, [10, 0.5])
    np.testing.assert_allclose(firsts(opened.temperature), [[10, 0.5]] * 2, atol=1e-3)


def test_one_level_is_that_level(write):
    t = {"shortName": "t", "typeOfLevel": "isobaricInhPa", "level": 850}
    path = write([{**on(day), **t} for day in (1, 2)])
    assert open_analysis(path).level.values.tolist() == [850]
    with pytest.raises(ValueError, match=r"no level \[500.0\] hPa; the store has \[850.0\]"):
        open_analysis(path, levels=[500])


def test_what_is_not_asked_for_does_not_matter(write):
    """Levels, times and grids of other variables; all of them, where no names are given."""
    t = {"shortName": "t", "typeOfLevel": "isobaricInhPa"}
    messages = [{**on(d), **t, "level": level} for d in (1, 2) for level in (500, 850)]
    messages += [{**on(d), **T2M, "value": d} for d in (1, 2, 3)]
    messages += [{**on(1), "shortName": "q", "typeOfLevel": "isobaricInhPa", "level": 500}]
    path = write(messages)
    assert open_analysis(path, variables=["2t"]).sizes["time"] == 3
    assert open_analysis(path, variables=["t"]).sizes["time"] == 2
    with pytest.raises(ValueError, match=r"do not share one set of (times|levels) \(.* data.var"):
        open_analysis(path)
    lacking = write(messages[:3])
    with pytest.raises(
        ValueError, match="t lacks the field of 2020-01-02T00, level 850, and 0 mor"
    ):
        open_analysis(lacking)
    assert open_analysis(lacking, levels=[500]).sizes["time"] == 2


def test_members_of_an_ensemble(write):
    member = {"productDefinitionTemplateNumber": 1, "numberOfForecastsInEnsemble": 3}
    path = write(
        [
            {**on(day), **member, **T2M, "number": number, "value": 10 * number + day}
            for day in (1, 2)
            for number in (0, 1, 2)
        ]
    )
    opened = open_analysis(path, member=2)["2m_temperature"]
    np.testing.assert_allclose(firsts(opened), [21, 22], atol=1e-3)
    with pytest.raises(ValueError, match=r"'number' of size 3; choose one with data\.member"):
        open_analysis(path)


def test_missing_values_are_nan(write):
    values = CELLS.astype(float)
    values[5] = 9999
    holes = {"bitmapPresent": 1, "missingValue": 9999, "values": values}
    opened = open_analysis(write([{**on(day), **T2M, **holes} for day in (1, 2)]))
    assert np.isnan(opened["2m_temperature"][:, 0, 5]).all()
    assert int(opened["2m_temperature"].isnull().sum()) == 2


@pytest.mark.parametrize(
    "scan",
    [
        {},
        {"jPointsAreConsecutive": 1},
        {"jScansPositively": 1},
        {"iScansNegatively": 1},
        {"alternativeRowScanning": 1},
    ],
)
def test_values_lie_where_the_message_says(write, scan):
    """Against the latitude and longitude that ecCodes gives for every point."""
    keys = {**on(1), **T2M, **scan}
    if "jScansPositively" in scan:
        keys |= {"latitudeOfFirstGridPointInDegrees": -90, "latitudeOfLastGridPointInDegrees": 90}
    if "iScansNegatively" in scan:
        keys |= {"longitudeOfFirstGridPointInDegrees": 330, "longitudeOfLastGridPointInDegrees": 0}
    path = write([keys, {**keys, **on(2)}])
    with path.open("rb") as file:
        message = eccodes.codes_grib_new_from_file(file)
        latitudes, longitudes = (
            eccodes.codes_get_array(message, name).reshape(HEIGHT, WIDTH)
            if "jPointsAreConsecutive" not in scan
            else eccodes.codes_get_array(message, name).reshape(WIDTH, HEIGHT)
            for name in ("latitudes", "longitudes")
        )
        if "alternativeRowScanning" in scan:  # of which ecCodes takes no notice here
            longitudes[1::2] = longitudes[1::2, ::-1].copy()
        points = zip(
            latitudes.flat, longitudes.flat, eccodes.codes_get_values(message), strict=True
        )
        want = {(round(y), round(x)): value for y, x, value in points}
        eccodes.codes_release(message)
    if "iScansNegatively" in scan:
        with pytest.raises(ValueError, match=r"longitude: .*strictly increasing"):
            open_analysis(path)
        return
    opened = open_analysis(path)["2m_temperature"][0]
    for y in opened.latitude.values:
        for x in opened.longitude.values:
            found = float(opened.sel(latitude=y, longitude=x))
            assert abs(found - want[round(y), round(x)]) < 1e-3


@pytest.mark.parametrize(
    ("sample", "remedy"),
    [
        ("reduced_gg_pl_32_grib2", "cdo -R -f nc4 copy"),
        ("sh_ml_grib2", "cdo -f nc4 sp2gpl"),
        ("rotated_gg_pl_grib2", "remapbil"),
    ],
)
def test_other_grids_are_refused(tmp_path, sample, remedy):
    message = eccodes.codes_grib_new_from_samples(sample)
    with (tmp_path / "a.grib").open("wb") as file:
        eccodes.codes_write(message, file)
    eccodes.codes_release(message)
    with pytest.raises(ValueError, match=rf"its grid \({sample[:2]}.* interpolate it.*{remedy}"):
        open_analysis(tmp_path / "a.grib")


def test_two_grids_in_one_file_are_refused(write):
    other = {"Ni": 6, "iDirectionIncrementInDegrees": 60, "longitudeOfLastGridPointInDegrees": 300}
    other["values"] = np.arange(42.0)
    msl = {"shortName": "msl", "typeOfLevel": "meanSea"}
    messages = [{**on(d), **k} for d in (1, 2) for k in (T2M, {**msl, **other})]
    path = write(messages)
    with pytest.raises(ValueError, match=r"t2m of .* and msl of .* are on different grids"):
        open_analysis(path)
    assert open_analysis(path, variables=["msl"]).sizes["longitude"] == 6
    assert open_analysis(path, variables=["2t"]).sizes["longitude"] == 12


@pytest.mark.parametrize(
    "content", [b"", b"GRIB", b"GRIBnonsense", b"not GRIB at all" * 9, "cut", "garbled"]
)
def test_damaged_files_are_named(write, content):
    path = write([{**on(day), **T2M} for day in (1, 2)])
    whole = path.read_bytes()
    if content == "cut":
        content = whole[:-40]
    elif content == "garbled":
        content = whole[:16] + b"x" * 60 + whole[76:]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.grib: ") as raised:
        open_analysis(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_changes_is_no_number(write):
    path = write([{**on(day), **T2M} for day in (1, 2)])
    opened = open_analysis(path)["2m_temperature"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OSError, match=r"a\.grib: the message at byte 0 cannot be read"):
        opened.load()


def test_unknown_parameters_keep_apart(write):
    unknown = [{"discipline": 0, "parameterCategory": 19, "parameterNumber": n} for n in (201, 202)]
    path = write([{**on(d), **k, "value": n} for d in (1, 2) for n, k in enumerate(unknown)])
    names = ["unknown_0_19_201", "unknown_0_19_202"]
    opened = open_analysis(path, variables=names, units=dict.fromkeys(names, "K"))
    np.testing.assert_allclose(firsts(opened[names[1]]).ravel(), [1, 1], atol=1e-4)


def test_another_process_reads_the_same(write):
    path = write([{**on(day), **T2M, "value": day} for day in range(1, 8)])
    opened = open_analysis(path)
    assert part_of(opened["2m_temperature"]) is not None
    again = pickle.loads(pickle.dumps(Analysis(opened)))
    np.testing.assert_allclose(firsts(again.read([4, 1])).ravel(), [5, 2], atol=1e-4)


def test_files_of_amounts_over_other_intervals_are_no_series(write):
    write([rain(1, "0-6", 0)], name="a1.grib")
    path = write([rain(1, "0-12", 0)], name="a2.grib")
    with pytest.raises(ValueError, match=r"lengthOfTimeRange of total_precipitation: 6 and 12"):
        open_analysis(path.parent / "a*.grib")
    write([rain(1, "6-12", 1)], name="a2.grib")
    opened = open_analysis(path.parent / "a*.grib")["total_precipitation"]
    np.testing.assert_array_equal(opened.time.dt.hour, [6, 12])
