"""Channels: the only bridge between labelled datasets and tensors.

A channel is a variable at a level. Shapes: n times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.grid import dims_of
from axialcast.names import (
    CHANNEL,
    COORDINATE_ATTRS,
    FORCING,
    LEVEL,
    PROGNOSTIC,
    ROLES,
    VARIABLES,
    canonical,
)
from axialcast.times.cells import Cell

__all__ = ["Channel", "Channels"]

Bounds = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """A variable at a level: `level` in hPa, None for a field without levels.

    Its role, one of `axialcast.names.ROLES`, is no property of the data: it does not make channels
    differ. `cell` is the interval that values are of, None where nobody says: `difference` tells
    two that contradict each other.
    """

    variable: str
    level: float | None
    units: str
    role: str = field(default=PROGNOSTIC, compare=False)
    cell: Cell | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.variable if self.level is None else f"{self.variable} {self.level:g} hPa"

    @property
    def key(self) -> str:
        """Where a config names it."""
        return f"data.{ROLES[self.role]}"

    def of(self, dataset: xr.Dataset) -> xr.DataArray:
        """The dataset's variable, at this level where it has any."""
        array = dataset[self.variable]
        return array if self.level is None else array.sel({LEVEL: self.level})


class Channels(Sequence[Channel]):
    """An ordered set of channels: variables in order, each with its levels in order."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = tuple(channels)

    @classmethod
    def of(cls, dataset: xr.Dataset, roles: Mapping[str, str] | None = None) -> "Channels":
        """The channels of an analysis, every variable at every one of its levels.

        Args:
            roles: by variable, prognostic where nothing is said; channels come in the order of
                `axialcast.names.ROLES`.
        """
        roles = roles or {}
        return cls(
            [
                Channel(
                    *(str(name), level, str(array.attrs.get("units", "1")), role),
                    Cell.of(array.attrs),
                )
                for role in ROLES
                for name, array in dataset.data_vars.items()
                if roles.get(str(name), PROGNOSTIC) == role
                for level in (array[LEVEL].values.tolist() if LEVEL in array.dims else [None])
            ]
        )

    def __len__(self) -> int:
        return len(self._channels)

    def __getitem__(self, index: Any) -> Any:
        return self._channels[index]

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._channels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Channels) and self._channels == other._channels

    def __hash__(self) -> int:
        return hash(self._channels)

    def __repr__(self) -> str:
        return f"Channels({', '.join(map(str, self))})"

    def where(self, *roles: str) -> slice:
        """Where the channels of these roles are, which follow one another."""
        found = [number for number, channel in enumerate(self) if channel.role in roles]
        return slice(found[0], found[-1] + 1) if found else slice(0, 0)

    def having(self, *roles: str) -> "Channels":
        """The channels of these roles."""
        return Channels(self[self.where(*roles)])

    @property
    def numbers(self) -> dict[str, Any]:
        """How many of each role, as keywords of ForecastNetwork."""
        keys = ("num_channels", "num_diagnostic", "num_forcings")
        return {key: len(self.having(role)) for key, role in zip(keys, ROLES, strict=True)}

    @property
    def forecast(self) -> "Channels":
        """What forecasts hold: all but forcings."""
        return self.having(*(role for role in ROLES if role != FORCING))

    @property
    def variables(self) -> list[str]:
        """Variable names, each once, in order."""
        return list(dict.fromkeys(channel.variable for channel in self))

    def levels(self, variable: str) -> list[float | None]:
        """Levels of a variable, in order; [None] for a field without levels."""
        return [channel.level for channel in self if channel.variable == variable]

    def stack(self, dataset: xr.Dataset) -> NDArray[np.float32]:
        """Values of the dataset as one array.

        Args:
            dataset: variables of dims (n, [level], latitude, longitude), the leading dimension of
                any name; NaNs pass through.

        Returns:
            (n, c, h, w) float32 in physical units.
        """
        first = dataset[self[0].variable]
        shape = (first.shape[0], len(self), *(first.sizes[dim] for dim in dims_of(first.dims)))
        out = np.empty(shape, np.float32)
        for variable, levels, place in self._places():
            array = dataset[variable]
            with np.errstate(over="ignore"):  # what single precision does not hold is infinite
                if levels == [None]:
                    out[:, place.start] = array.values
                else:
                    out[:, place] = array.sel({LEVEL: levels}).values
        return out

    def unstack(
        self,
        values: NDArray[np.float32],
        coords: Mapping[str, Any],
        leading: Sequence[str],
        channel_axis: int = -3,
    ) -> xr.Dataset:
        """Labelled variables from one array, the inverse of `stack`.

        Args:
            values: (*leading, c, h, w) in physical units.
            coords: coordinates of every dimension but level.
            leading: names of the leading dimensions.

        Raises:
            ValueError: variables differ in their levels, or the channels of one stand apart.
        """
        variables = {}
        parts, horizontal = np.moveaxis(values, channel_axis, 0), dims_of(coords)
        level = self._level()
        for variable, levels, place in self._places():
            part, attrs = parts[place], self.attrs(variable)
            if levels == [None]:
                dims = (*leading, *horizontal)
                variables[variable] = xr.DataArray(part[0], dims=dims, attrs=attrs)
            else:
                dims = (*leading, LEVEL, *horizontal)
                part = np.moveaxis(part, 0, len(leading))
                variables[variable] = xr.DataArray(part, {LEVEL: level}, dims, attrs=attrs)
        return xr.Dataset(variables, coords=dict(coords))

    def fields(self, states: xr.DataArray) -> xr.Dataset:
        """The variables in one array with a dimension `channel`, as slices of it, nothing read.

        Raises:
            ValueError: as `unstack`.
        """
        fields, level = {}, self._level()
        for variable, levels, place in self._places():
            if levels == [None]:
                part = states.isel({CHANNEL: place.start})
            else:
                part = states.isel({CHANNEL: place}).rename({CHANNEL: LEVEL})
                part = part.assign_coords({LEVEL: level})
            fields[variable] = part.assign_attrs(self.attrs(variable))
        return xr.Dataset(fields)

    def _places(self) -> Iterator[tuple[str, list[float | None], slice]]:
        """Each variable, its levels, and where its channels are among these.

        Raises:
            ValueError: they do not follow one another.
        """
        start = 0
        for variable in self.variables:
            levels = self.levels(variable)
            place = slice(start, start + len(levels))
            if any(channel.variable != variable for channel in self[place]):
                raise ValueError(
                    f"channels: those of {variable} stand apart in {self}; put the levels of a "
                    "variable one after another"
                )
            yield variable, levels, place
            start = place.stop

    def _level(self) -> xr.Variable:
        """The levels of all variables that have any.

        Raises:
            ValueError: they differ: one dataset would fill up what they lack with NaN.
        """
        every = {name: self.levels(name) for name in self.variables}
        found = {name: levels for name, levels in every.items() if levels != [None]}
        first, common = next(iter(found.items()), ("", []))
        for name, levels in found.items():
            if levels != common:
                raise ValueError(
                    f"channels: {first} is on levels {common}, {name} on {levels}; choose the "
                    "same levels for all variables"
                )
        return xr.Variable(LEVEL, np.array(common, np.float64), COORDINATE_ATTRS[LEVEL])

    def attrs(self, variable: str) -> dict[str, Any]:
        """CF attributes of a variable; units and cell as in the analysis they came from."""
        one = next(channel for channel in self if channel.variable == variable)
        known = VARIABLES.get(variable)
        said = {**(known.attrs if known else {"long_name": variable}), "units": one.units}
        return said | (one.cell.attrs() if one.cell else {})

    def weights(self, given: Mapping[str, float]) -> NDArray[np.float64] | None:
        """What each channel counts for beside the others, with mean 1; None: all alike.

        Args:
            given: by variable, or by variable and level (hPa), "temperature 850", which comes
                first; 1 for what is not named.

        Raises:
            ValueError: a name is none of the channels'.
        """
        if not given:
            return None
        found = np.ones(len(self))
        of_levels: dict[int, float] = {}
        for name, weight in given.items():
            whole = [i for i, channel in enumerate(self) if _is_named(channel.variable, name)]
            one = [i for i, channel in enumerate(self) if _is_at_level(channel, name)]
            if not whole and not one:
                known = ", ".join(str(channel).removesuffix(" hPa") for channel in self)
                raise ValueError(
                    f"data.weights: {name} is none of {known}, nor a variable of them; leave it out"
                )
            found[whole] = weight
            of_levels |= dict.fromkeys(one, weight)
        for index, weight in of_levels.items():
            found[index] = weight
        weights: NDArray[np.float64] = found / found.mean()
        return weights

    def bounds(self, given: Mapping[str, tuple[float | None, float | None]]) -> Bounds | None:
        """(c, 2) lowest and highest value of each channel, infinite where there is none.

        Args:
            given: by variable; None stands for no bound.

        Returns:
            None if nothing is given.

        Raises:
            ValueError: a variable is none of the channels'.
        """
        found = np.tile([-np.inf, np.inf], (len(self), 1))
        for name, (low, high) in given.items():
            places = [i for i, channel in enumerate(self) if _is_named(channel.variable, name)]
            if not places:
                raise ValueError(
                    f"data.bounds: {name} is none of {', '.join(self.variables)}; leave it out"
                )
            found[places] = [-np.inf if low is None else low, np.inf if high is None else high]
        return found if given else None

    def difference(self, other: "Channels") -> str | None:
        """What differs between these channels (expected) and the others (got), or None."""
        for want in self:
            for got in other:
                if want == got and want.cell and got.cell and want.cell.contradicts(got.cell):
                    return f"{want}: expected its {want.cell.told}, got its {got.cell.told}"
        if self == other:
            return None
        missing = [str(c) for c in self if c not in other]
        surplus = [str(c) for c in other if c not in self]
        for want in self:
            for got in other:
                same = (want.variable, want.level) == (got.variable, got.level)
                if same and want.units != got.units:
                    return f"{want}: expected units {want.units!r}, got {got.units!r}"
        if missing:
            return f"lacks {', '.join(missing)}"
        return f"has {', '.join(surplus)} besides" if surplus else "order of channels differs"

    def to_list(self) -> list[dict[str, Any]]:
        """JSON-ready, the inverse of `from_list`."""
        every = [asdict(channel) for channel in self]
        return [{k: v for k, v in one.items() if k != "cell" or v is not None} for one in every]

    @classmethod
    def from_list(cls, values: Sequence[Mapping[str, Any]]) -> "Channels":
        """The channels that `to_list` gave."""
        cells = [value.get("cell") for value in values]
        return cls(
            [
                Channel(**{**value, "cell": cell and Cell.from_dict(cell)})
                for value, cell in zip(values, cells, strict=True)
            ]
        )


def _is_named(variable: str, name: str) -> bool:
    return variable in (name, canonical(name))


def _is_at_level(channel: Channel, name: str) -> bool:
    """Whether the channel goes by a name such as `temperature 850`."""
    if channel.level is None or not name.endswith(end := f" {channel.level:g}"):
        return False
    return _is_named(channel.variable, name.removesuffix(end))
