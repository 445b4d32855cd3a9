"""What earth2studio calls our channels: `z500`, `t2m`."""

from collections.abc import Mapping

from axialcast.data.channels import Channel, Channels
from axialcast.names import VARIABLES

__all__ = ["identifiers"]

ON_LEVELS = {
    "geopotential": "z",
    "temperature": "t",
    "u_component_of_wind": "u",
    "v_component_of_wind": "v",
    "specific_humidity": "q",
    "relative_humidity": "r",
    "vertical_velocity": "w",
}
"""Followed by the level in hPa."""
OTHERS = {
    "2m_temperature": "t2m",
    "2m_dewpoint_temperature": "d2m",
    "10m_u_component_of_wind": "u10m",
    "10m_v_component_of_wind": "v10m",
    "mean_sea_level_pressure": "msl",
    "surface_pressure": "sp",
    "sea_surface_temperature": "sst",
    "total_column_water_vapour": "tcwv",
    "total_precipitation": "tp",
    "rainfall_rate": "tprate",
    "geopotential_at_surface": "z",
    "land_sea_mask": "lsm",
}


def identifiers(channels: Channels, names: Mapping[str, str] | None = None) -> list[str]:
    """What earth2studio calls each channel, whose units are the same there.

    Args:
        names: by variable, what its lexicon has not, or calls otherwise; of one on levels, what
            stands before the level.

    Raises:
        ValueError: there is no such name, or two channels would have the same, or units differ.
    """
    names = names or {}
    found = [_identifier(channel, names) for channel in channels]
    for name in found:
        if found.count(name) > 1:
            same = [str(c) for c, other in zip(channels, found, strict=True) if other == name]
            raise ValueError(
                f"names: {' and '.join(same)} would both be {name}; name one otherwise"
            )
    return found


def _identifier(channel: Channel, names: Mapping[str, str]) -> str:
    variable, level = channel.variable, channel.level
    known = OTHERS if level is None else ON_LEVELS
    name = names.get(variable, known.get(variable))
    if name is None:
        raise ValueError(
            f"{channel}: earth2studio's lexicon has no name for it; give one: "
            f"names={{{variable!r}: ...}}"
        )
    if variable not in names and channel.units != VARIABLES[variable].units:
        raise ValueError(
            f"{channel}: is in {channel.units}, and earth2studio's {name} in "
            f"{VARIABLES[variable].units}; train in these, or give it another name: "
            f"names={{{variable!r}: ...}}"
        )
    return name if level is None else f"{name}{level:g}"
