"""What the messages of a GRIB file are, by their headers: of which variable, level and time.

Each variable must have one field for each time. What GRIB allows besides (forecasts of several lead
times, amounts over several intervals, means beside instants) is refused by name where it would make
two of them.
"""

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from axialcast.data.arrays.gribs import Place
from axialcast.disclosure import few
from axialcast.times.calendars import time_text

__all__ = ["PRESSURE", "Header", "by_series", "headers", "one_of_each"]

logger = logging.getLogger(__name__)

PRESSURE = "isobaricInhPa"
"""The type of level that pressures are called by here."""
OF_PRESSURE = {PRESSURE: 1.0, "isobaricInPa": 0.01}
"""Types of level that are pressures, and their unit in hPa."""
INTERVAL = re.compile(r"(\d+)[a-z]*-(\d+)([a-z]*)")
"""Of steps, in hours where no unit is said, such as 0-6 or 0m-30m."""
HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class Header:
    """What a message says of its field.

    Args:
        place: where it is.
        name: of the variable, as CF or ecCodes abbreviate it.
        kind: type of level, such as isobaricInhPa; both of pressure are one.
        level: its number; hPa of pressures.
        number: of the ensemble's member; None: there is no ensemble.
        init: the forecast's initial time, or the analysis' time.
        valid: the time it is valid at: the end of an interval.
        step_type: instant, accum, avg, max, …
        step_range: lead time, or those of the interval's ends, such as "0-6".
        data_type: an (analysis), fc (forecast), …
        grid: a checksum of the grid's description.
    """

    place: Place
    name: str
    kind: str
    level: float
    number: int | None
    init: np.datetime64
    valid: np.datetime64
    step_type: str
    step_range: str
    data_type: str
    grid: str

    @property
    def lead(self) -> np.timedelta64:
        return self.valid - self.init

    @property
    def length(self) -> str:
        """Of the interval that it is an amount or a mean of, such as 6 or 30m; 0 of an instant."""
        found = INTERVAL.fullmatch(self.step_range)
        return f"{int(found[2]) - int(found[1])}{found[3]}" if found else "0"


def headers(path: Path) -> list[Header]:
    """Of all messages of a file, in its order; values stay unread.

    Raises:
        ValueError: the file is empty, cut off or damaged, or a date is none.
    """
    from cfgrib.messages import FileStream

    found: list[Header] = []
    names: dict[int, str] = {}
    try:
        for place, message in FileStream(str(path), errors="raise").items():
            found.append(_header(place, message, names))
    except EOFError:
        raise ValueError(f"{path}: holds no GRIB message; download it again") from None
    except Exception as error:  # ecCodes has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: message {len(found) + 1} cannot be read ({reason}); the file is cut off or "
            "damaged: download it again"
        ) from None
    return found


def _header(place: Place, message: Any, names: dict[int, str]) -> Header:
    """What a message says; `names` are those of parameters met before, for they take long."""
    kind, level = message["typeOfLevel"], float(message["level:float"])
    if kind in OF_PRESSURE:
        kind, level = PRESSURE, round(level * OF_PRESSURE[kind], 6)
    parameter = int(message["paramId"])
    if parameter not in names or not parameter:
        names[parameter] = _name(message)
    number = message.message_get("number", int, None)
    init = _date(message["dataDate"], message["dataTime"])
    valid = _date(message["validityDate"], message["validityTime"])
    return Header(
        *(place, names[parameter], kind, level, number, init, valid, message["stepType"]),
        *(message["stepRange:str"], message["dataType"], message["md5GridSection"]),
    )


def _name(message: Any) -> str:
    """By CF, else ecCodes' own, else its numbers in the tables of GRIB."""
    for key in ("cfVarName", "shortName"):
        if (name := message[key]) not in ("unknown", "undef", "~"):
            return str(name)
    tables = ("discipline", "parameterCategory", "parameterNumber")
    if message["edition"] == 1:
        tables = ("centre:int", "table2Version", "indicatorOfParameter")
    return "_".join(["unknown", *[str(message[key]) for key in tables]])


def _date(date: int, time: int) -> np.datetime64:
    text = f"{date:08d}"
    year, month, day = text[:-4], text[-4:-2], text[-2:]
    return np.datetime64(f"{year}-{month}-{day}T{time // 100:02d}:{time % 100:02d}", "ns")


def one_of_each(path: Path, fields: list[Header]) -> dict[tuple[Any, Any, Any], Place]:
    """The fields of one variable by valid time, level and member.

    Raises:
        ValueError: there are several of one, or they are of several kinds: instants and means,
            amounts over intervals of different lengths, lead times whose valid times are uneven.
    """
    name = fields[0].name
    types = sorted({field.step_type for field in fields})
    by_key: dict[tuple[Any, Any, Any], list[Header]] = {}
    for field in fields:
        by_key.setdefault((field.valid, field.level, field.number), []).append(field)
    for same in by_key.values():
        if len(same) > 1:
            _refuse_others(path, same)
    if len(types) > 1:
        raise ValueError(
            f"{path}: {name} is of several kinds ({', '.join(types)}); keep one, for instance by: "
            f"grib_copy -w stepType={types[0]} in.grib out.grib"
        )
    ranges = {field.length: field.step_range for field in fields}
    if len(ranges) > 1:
        some = sorted({field.step_range for field in fields}, key=_first_number)
        raise ValueError(
            f"{path}: {name} is over intervals of several lengths (steps {few(some)}), so that it "
            "is no series; keep those of one length, for instance by: "
            f"grib_copy -w stepRange={some[0]} in.grib out.grib"
        )
    _look_at_leads(path, fields)
    return {key: same[0].place for key, same in by_key.items()}


def _refuse_others(path: Path, same: list[Header]) -> None:
    """Refuses several fields of one time and level, unless their values are the same."""
    from cfgrib.messages import FileStream

    first, stream = same[0], FileStream(str(path), errors="raise")
    values = [stream[field.place]["values"] for field in same]
    when = time_text(first.valid)
    is_one = all(replace(field, place=first.place) == first for field in same)
    if is_one and all(np.array_equal(values[0], other) for other in values[1:]):
        logger.info("%s: %s of %s is there twice, with equal values", path, first.name, when)
        return
    date, hour = str(first.init)[:10].replace("-", ""), str(first.init)[11:16].replace(":", "")
    for told, choice in (
        ([f"steps {field.step_range}" for field in same], f"stepRange={first.step_range}"),
        ([field.step_type for field in same], f"stepType={first.step_type}"),
        ([f"run of {time_text(field.init)}" for field in same], f"dataDate={date},dataTime={hour}"),
        ([field.data_type for field in same], f"dataType={first.data_type}"),
        (["two messages with other values"], "count=…"),
    ):
        if len(set(told)) > 1 or choice.startswith("count"):
            break
    raise ValueError(
        f"{path}: {first.name} has several fields for {when}: {few(list(dict.fromkeys(told)))}; "
        f"keep one, for instance by: grib_copy -w {choice} in.grib out.grib"
    )


def _look_at_leads(path: Path, fields: list[Header]) -> None:
    """Refuses lead times whose valid times make no even axis; says which others there are."""
    leads = sorted({field.lead for field in fields})
    if leads == [np.timedelta64(0, "ns")]:
        return
    hours = [f"{lead / HOUR:g}" for lead in leads]
    if len(leads) > 1:
        valid = np.unique([field.valid for field in fields])
        _, counts = np.unique(np.diff(valid), return_counts=True)
        num_inits = len({field.init for field in fields})
        # A gap between forecasts is one here and there, an uneven axis has one in each of them.
        odd = int(counts.sum() - counts.max())
        if odd and 2 * odd >= num_inits - 1:
            raise ValueError(
                f"{path}: {fields[0].name} holds forecasts of the lead times {few(hours)} h, and "
                "their valid times are no even axis; keep one lead time, for instance by: "
                f"grib_copy -w endStep={hours[0]} in.grib out.grib"
            )
    logger.info(
        "%s: %s is of the lead times %s h, placed at the times it is valid at",
        *(path, fields[0].name, few(hours)),
    )


def _first_number(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


def by_series(found: list[Header]) -> dict[tuple[str, str], list[Header]]:
    """Messages by variable and kind of level, in the order of the file."""
    series: dict[tuple[str, str], list[Header]] = {}
    for header in found:
        series.setdefault((header.name, header.kind), []).append(header)
    return series
