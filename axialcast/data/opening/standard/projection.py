"""Fields on a map get the project's `y`, `x` and grid mapping, whatever the file calls them.

Which projection it is follows from what the user says, from the grid mapping that fields refer to,
or from the only one that the file has (CF conventions, section 5.6); where cells are from the
coordinates of the projection, or from latitudes and longitudes of two dimensions.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.opening.standard.coordinates import LATLON_MAPPINGS, SILENT, said
from axialcast.data.opening.standard.wrf import mapping_of_wrf
from axialcast.data.spellings import linear_conversion
from axialcast.grid import EARTH_RADIUS, CurvilinearGrid, ProjectedGrid, is_curved
from axialcast.grid.proj import crs_from_cf, crs_from_text
from axialcast.grid.sphere import points
from axialcast.names import COORDINATE_ALIASES, GRID_MAPPING, LATITUDE, LONGITUDE, X, Y

__all__ = ["is_on_map", "on_map"]

MAPPING_KEYS = ("grid_mapping_name", "crs_wkt", "spatial_ref")
"""Attributes by which a variable is known as a grid mapping."""

STANDARD = {
    Y: re.compile(r"projection_y_(angular_)?coordinate|grid_latitude"),
    X: re.compile(r"projection_x_(angular_)?coordinate|grid_longitude"),
}
NAMES = {
    Y: (*("y", "Y", "rlat", "yc", "yc_2", "y0", "northing", "south_north", "rotated_lat"),),
    X: (*("x", "X", "rlon", "xc", "xc_2", "x0", "easting", "west_east", "rotated_lon"),),
}
"""Names of coordinates of a projection, and of dimensions without any."""

ANGLES = re.compile(r"(micro|µ|u)?rad(ian)?s?")
"""Units of a satellite's view."""

UNEVEN = 0.05
"""Part of a cell by which places of one row or column may lie apart on the map."""

FAR = 50_000.0
"""Metres by which latitudes and longitudes in a file may differ from those of its projection, where
that is little beside the whole: those who take the Earth for a sphere, and those who do not, differ
by less."""


def on_map(
    raw: xr.Dataset,
    *,
    grid_mapping: str | None = None,
    units: Mapping[str, str] | None = None,
    curved: bool = False,
) -> xr.Dataset:
    """The dataset with dimensions and coordinates `y`, `x` and the grid mapping as a coordinate.

    Of a dataset on latitudes and longitudes, itself.

    Args:
        raw: as its backend opens it.
        grid_mapping: the projection, as PROJ or EPSG call it; None: what the dataset says.
        units: by name; those of `x` and `y` come before the file's.
        curved: whether places of two dimensions will do where nothing says of which projection;
            then rows and columns are numbered.

    Raises:
        ValueError: the projection cannot be read, its coordinates are absent or in no known units,
            or the file's latitudes and longitudes contradict it.
    """
    mapping = _mapping(raw) if grid_mapping is None else _named(grid_mapping)
    if mapping is None:
        return _curved(raw) if curved else raw
    lines = {want: _line(raw, want) for want in (Y, X)}
    places = _places(raw)
    found = [line for line in lines.values() if line is not None]
    if len(found) == 2:
        dims = tuple(line.dims[0] for line in found)
        stated = units or {}
        y, x = (
            _in_units(line, mapping, stated.get(want, said(line.attrs, "units")))
            for line, want in zip(found, (Y, X), strict=True)
        )
        grid = ProjectedGrid(y, x, mapping)
        if places is not None:
            _refuse_elsewhere(grid, *(place.transpose(*dims) for place in places))
    elif places is not None:
        dims = places[0].dims
        grid = _grid_of_places(*places, mapping)
    elif grid_mapping is None:  # what is wrong with it is told by those who look at latitudes
        return raw
    else:
        raise ValueError(
            f"data.grid_mapping: {grid_mapping} is a projection, and the file has neither "
            "coordinates of one (projection_x_coordinate, projection_y_coordinate) nor latitudes "
            "and longitudes of two dimensions; leave it out"
        )
    gone = {line.name for line in found} | {Y, X, GRID_MAPPING}
    gone |= {name for name, array in raw.coords.items() if {*dims} <= {*array.dims}}
    gone |= {place.name for place in places or ()}
    kept = raw.drop_vars([name for name in gone if name in raw.variables])
    names = {dim: want for dim, want in zip(dims, (Y, X), strict=True) if dim != want}
    return kept.rename_dims(names).assign_coords(grid.labels)


def is_on_map(dataset: xr.Dataset) -> bool:
    """Whether this is what `on_map` makes of one that is not on latitudes and longitudes."""
    return GRID_MAPPING in dataset.coords or is_curved(dataset)


def _curved(raw: xr.Dataset) -> xr.Dataset:
    """The dataset with rows and columns of its own, if its places have two dimensions."""
    places = _places(raw)
    if places is None:
        return raw
    dims, values = places[0].dims, [place.values for place in places]
    kept = raw.drop_vars([*(place.name for place in places), *(d for d in dims if d in raw.coords)])
    names = {dim: want for dim, want in zip(dims, (Y, X), strict=True) if dim != want}
    return kept.rename_dims(names).assign_coords(CurvilinearGrid(*values).labels)


def _mapping(raw: xr.Dataset) -> dict[str, Any] | None:
    """Attributes of the grid mapping of the fields; None: it is none but of degrees."""
    for name in dict.fromkeys([*_referred(raw), *_mappings(raw)]):
        attrs = {k: _plain(v) for k, v in raw[name].attrs.items()}
        if not any(key in attrs for key in MAPPING_KEYS):
            continue
        if attrs.get("grid_mapping_name") in LATLON_MAPPINGS:
            continue
        if "crs_wkt" not in attrs and "spatial_ref" in attrs:
            attrs["crs_wkt"] = attrs["spatial_ref"]
        try:
            return _as_cf(crs_from_cf(attrs))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    wrf = mapping_of_wrf(raw.attrs)
    return None if wrf is None else _as_cf(crs_from_cf(wrf))


def _referred(raw: xr.Dataset) -> Iterator[str]:
    """What fields name as their grid mapping, in order; its coordinates may stand beside it."""
    for array in raw.data_vars.values():
        text = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", ""))
        for word in re.split(r"[:\s]+", str(text)):
            if word in raw.variables:
                yield word


def _mappings(raw: xr.Dataset) -> list[str]:
    """The only variable that is a grid mapping though no field says so."""
    names = [
        str(n) for n, v in raw.variables.items() if v.ndim < 2 and {*MAPPING_KEYS} & {*v.attrs}
    ]
    kinds = {str(raw[name].attrs) for name in names}
    return names[:1] if len(kinds) == 1 else []


def _named(text: str) -> dict[str, Any] | None:
    """What a user calls a projection, as a CF grid mapping."""
    try:
        return _as_cf(crs_from_text(text))
    except ValueError as error:
        raise ValueError(f"data.grid_mapping: {error}") from None


def _as_cf(crs: Any) -> dict[str, Any] | None:
    if crs.is_geographic and not crs.is_derived:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what CF cannot say is in crs_wkt
        attrs = crs.to_cf()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attrs.items()}


def _plain(value: Any) -> Any:
    """Numbers, lists and text of an attribute; a list of one is its element, as PROJ wants it."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _line(raw: xr.Dataset, want: str) -> xr.DataArray | None:
    """The coordinate of the projection along fields; None: there is none."""
    fields = {dim for array in raw.data_vars.values() if array.ndim > 1 for dim in array.dims}
    lines = [raw[n] for n, v in raw.variables.items() if v.ndim == 1 and {*v.dims} <= fields]
    by_standard = [a for a in lines if STANDARD[want].fullmatch(said(a.attrs, "standard_name"))]
    by_name = [a for a in lines if a.name in NAMES[want]]
    by_axis = [a for a in lines if said(a.attrs, "axis").lower() == want]
    known = (LATITUDE, LONGITUDE)
    by_axis = [a for a in by_axis if said(a.attrs, "standard_name") not in known]
    return next(iter(by_standard or by_name or by_axis), None)


def _in_units(line: xr.DataArray, mapping: Mapping[str, Any], stated: str) -> NDArray[np.float64]:
    """Coordinates of a projection in the units of ours."""
    kind, values = mapping.get("grid_mapping_name"), line.values.astype(np.float64)
    if kind == "rotated_latitude_longitude":
        if re.match(r"deg|°|$", stated.lower()):
            return values
        raise ValueError(f"{line.name}: is in {stated!r}; expected degrees of a rotated pole")
    if stated.lower() in SILENT:
        raise ValueError(
            f"{line.name}: has no units, and may be in m or km; say which in data.units, such as "
            "{y: km, x: km}"
        )
    if kind == "geostationary":
        if (angle := ANGLES.fullmatch(stated.lower())) is not None:
            return values * (1e-6 if angle[1] else 1.0)
        values = values / float(mapping["perspective_point_height"])
    try:
        return values * linear_conversion(stated, "m")[0]
    except ValueError as error:
        raise ValueError(
            f"{line.name}: {error}; correct its units in data.units, such as {{y: km, x: km}}"
        ) from None


def _places(raw: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Latitudes and longitudes of two dimensions, the first time of several; None: none."""
    found = []
    for want in (LATITUDE, LONGITUDE):
        names = {want, *COORDINATE_ALIASES[want]}
        arrays = [
            raw[name]
            for name, array in raw.variables.items()
            if array.ndim in (2, 3)
            and (name in names or said(array.attrs, "standard_name") == want)
            and array.dtype.kind == "f"
        ]
        found += [_at_one_time(array) for array in arrays[:1]]
    if len(found) < 2 or found[0].dims != found[1].dims:
        return None
    return found[0], found[1]


def _at_one_time(places: xr.DataArray) -> xr.DataArray:
    """Places that WRF repeats at every time.

    Raises:
        ValueError: they move.
    """
    if places.ndim == 2:
        return places
    first, last = (places.isel({places.dims[0]: place}, drop=True) for place in (0, -1))
    if not np.array_equal(first.values, last.values):
        raise ValueError(
            f"{places.name}: moves in time, as nests do; interpolate it to a latitude-longitude "
            "grid, for instance with: cdo remapbil,r360x180 in.nc out.nc"
        )
    return first


def _grid_of_places(
    latitude: xr.DataArray, longitude: xr.DataArray, mapping: Mapping[str, Any]
) -> ProjectedGrid:
    """The grid whose cells lie at these places, which are rows and columns of the projection.

    Raises:
        ValueError: they are not.
    """
    anywhere = ProjectedGrid([0.0, 1.0], [0.0, 1.0], mapping)
    y, x = anywhere.coordinates(latitude.values, longitude.values)
    axes = [np.median(y, axis=1), np.median(x, axis=0)]
    for values, axis in ((y, axes[0][:, None]), (x, axes[1][None, :])):
        spacing = np.abs(np.diff(axis.ravel())).mean() if axis.size > 1 else np.inf
        if not np.abs(values - axis).max() <= UNEVEN * spacing:
            raise ValueError(
                f"{latitude.name}, {longitude.name}: are no rows and columns of the projection "
                f"{mapping.get('grid_mapping_name')}; is that, and the size of the Earth in it, "
                "theirs? Say it in data.grid_mapping, such as +proj=lcc +lat_1=38.5 +lat_0=38.5 "
                "+lon_0=-97.5 +R=6371229"
            )
    return ProjectedGrid(axes[0], axes[1], mapping)


def _refuse_elsewhere(grid: ProjectedGrid, latitude: xr.DataArray, longitude: xr.DataArray) -> None:
    """Refuses a projection that puts cells elsewhere than the file's latitudes and longitudes."""
    rows, columns = (np.linspace(0, n - 1, 9).astype(int) for n in grid.shape)
    part = np.ix_(rows, columns)
    theirs = points(latitude.values[part], longitude.values[part])
    ours = points(*grid.places(grid.y[rows], grid.x[columns]))
    apart = EARTH_RADIUS * np.sqrt(np.square(theirs - ours).sum(0))
    across = EARTH_RADIUS * np.sqrt(np.square(theirs[:, 0, 0] - theirs[:, -1, -1]).sum())
    cell = across / np.hypot(*grid.shape)
    if np.isfinite(apart).any() and np.nanmax(apart) > max(cell, np.nanmin([FAR, across / 10])):
        raise ValueError(
            f"{latitude.name}, {longitude.name}: lie {np.nanmax(apart) / 1e3:.0f} km from where "
            f"the projection {grid.name} puts them; say the right one in data.grid_mapping, or the "
            "units of x and y in data.units"
        )
