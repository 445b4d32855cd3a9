"""Kinds of values that a config's sections are made of, and what is none of them.

A number that no run can mean is refused here, before anything is allocated for it; so are a name
that is blank or stands there twice, and `true` where YAML was meant to read a number.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from axialcast.disclosure import shown
from axialcast.grid.proj import crs_from_text
from axialcast.names import COMPUTED, canonical
from axialcast.thresholds import Threshold
from axialcast.times.decoding import DAY_SECONDS

__all__ = [
    "BatchName",
    "Bounds",
    "Count",
    "Device",
    "Fields",
    "Folder",
    "Forcings",
    "Gibibytes",
    "Hours",
    "Levels",
    "Location",
    "Member",
    "Name",
    "NotNegative",
    "Patch",
    "Positive",
    "Projection",
    "RegionName",
    "Renames",
    "Seconds",
    "Seed",
    "Share",
    "Sources",
    "Transforms",
    "Units",
    "Variables",
    "Weights",
    "Whole",
    "WholeHours",
    "each_once",
    "known_or_file",
]

LARGEST = 10**9
"""Of counts: more of anything is a slip of the pen."""
SECOND, CENTURY = 1 / 3600, 876_600
"""Shortest and longest time in hours."""
Ends = tuple[float | None, float | None]
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
_BATCH_NAME = re.compile(r"\w[\w.+:@,-]*", re.ASCII)
_ONE_SLASH = re.compile(r"([a-z][a-z0-9+]+):/(?!/)")
"""The beginning of an address that lost a slash."""
LONGEST = 255
"""Bytes that a file system takes as a name."""
HIGHEST_PRESSURE = 2000
"""Pressure (hPa) that no atmosphere of ours has; what exceeds it was meant in Pa."""


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"got {str(value).lower()}, expected a number")
    return value


def _hours(value: float) -> float:
    if not SECOND <= value <= CENTURY:
        raise ValueError(
            f"got {value:g}, expected hours from a second (1/3600) to a century ({CENTURY:,})"
        )
    return value


def _seconds(value: int) -> int:
    if DAY_SECONDS % value:
        raise ValueError(f"got {value}, expected seconds that divide a day, such as 60 or 3600")
    return value


def _level(value: float) -> float:
    if not 0 < value <= HIGHEST_PRESSURE:
        raise ValueError(f"got {value:g}, expected a pressure in hPa such as 500")
    return value


def _name(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise ValueError(f"got {value!r}, expected text without blanks around it")
    return value


def _ends(value: Ends) -> Ends:
    low, high = value
    if low is None and high is None:
        raise ValueError("got [null, null], expected a lowest value, a highest, or both")
    if low is not None and high is not None and not low < high:
        raise ValueError(f"got [{low:g}, {high:g}], expected the lowest value first")
    return value


def _transform(value: Any) -> Any:
    if value == "none":
        return value
    if not isinstance(value, dict) or list(value) != ["log1p"]:
        raise ValueError(f"got {value!r}, expected none, or a scale such as {{log1p: 0.001}}")
    scale = _number(value["log1p"])
    if not isinstance(scale, int | float) or not 0 < scale <= 1e12:
        raise ValueError(f"log1p: got {scale!r}, expected a scale above 0")
    return value


def _apart(value: dict[str, str]) -> dict[str, str]:
    for new, count in Counter(value.values()).items():
        if count > 1:
            both = " and ".join(old for old in value if value[old] == new)
            raise ValueError(f"{both} are both to be called {new}; name one of them")
    return value


def _forcing(value: str) -> str:
    if value == "calendar":
        raise ValueError("calendar: every network is told times of year and day; leave it out")
    near = difflib.get_close_matches(value, COMPUTED, n=1, cutoff=0.8)
    if near and value not in COMPUTED:
        raise ValueError(f"got {value!r}; did you mean {near[0]}, which is computed?")
    return value


def _member(value: Any) -> int | str:
    if isinstance(value, str):
        return _name(value)
    if not isinstance(_number(value), int) or not 0 <= value <= LARGEST:
        raise ValueError(f"got {value!r}, expected the number or the name of a member")
    return int(value)


def _batch_name(value: str) -> str:
    if not _BATCH_NAME.fullmatch(value):
        raise ValueError(f"got {value!r}, expected letters, digits and . _ - + : @ , alone")
    return value


def _region_name(value: str) -> str:
    if not all(letter.isalnum() or letter in " _-." for letter in _name(value)):
        raise ValueError(f"got {value!r}, expected a name of letters, digits, blanks, _, - and .")
    return value


def _threshold(value: Any) -> Any:
    return Threshold.of(_number(value)) and value


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"got {value}, expected an odd number, such as {value + 1}")
    return value


def _device(value: Any) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise ValueError(f"got {value!r}, expected auto, cpu, cuda, cuda:<index> or mps")
    return value


def _patch(value: Any) -> Any:
    """Times, latitudes and longitudes; [2, 2] means [1, 2, 2]."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        raise ValueError(f"got {value!r}, expected [latitudes, longitudes] such as [2, 2]")
    return [1, *value] if len(value) == 2 else value


def _location(value: Any) -> Any:
    """Text that can be a place in a file system, `~` spelt out."""
    if not isinstance(value, str | Path):
        raise ValueError(f"got {value!r}, expected a path")
    text = str(value)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"got {text!r}, expected a path")
    if "://" not in text and any(
        len(part.encode("utf-8", "replace")) > LONGEST for part in Path(text).parts
    ):
        raise ValueError(f"got {text[:40]!r} …, expected names of {LONGEST} letters at most")
    if text != text.strip():
        raise ValueError(f"got {text!r}, expected a path without blanks around it")
    if scheme := _ONE_SLASH.match(text):
        raise ValueError(f"begins with {scheme[0]}, expected {scheme[1]}://")
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _projection(text: str) -> str:
    crs_from_text(text)
    return text


def _folder(value: Any) -> Any:
    """A path here; `load_config` has put a working folder in the place of a URL."""
    text = _location(value)
    if "://" in str(text):
        raise ValueError(f"got {shown(str(text))}, expected a folder here, or a config's file")
    return text


def each_once(name_of: Callable[[Any], Any] = lambda item: item) -> AfterValidator:
    """Refuses a list, or the keys of a dict, where something occurs twice.

    Args:
        name_of: what counts as the same thing: equal ones do.
    """

    def check(items: Any) -> Any:
        counts = Counter(map(name_of, items))
        for name, count in counts.items():
            if count > 1:
                same = [item for item in items if name_of(item) == name]
                both = " and ".join(dict.fromkeys(map(_text, same)))
                alike = f"{both} are both {_text(name)}" if len(set(same)) > 1 else both
                times = "" if len(set(same)) > 1 else f" occurs {count} times"
                raise ValueError(f"{alike}{times}; name it once")
        return items

    return AfterValidator(check)


def known_or_file(*known: str) -> AfterValidator:
    """Refuses a name that is neither among those known nor a Python file's."""

    def check(name: str) -> str:
        if name in known or (name.endswith(".py") and Path(name).stem not in (*known, "forecast")):
            return name
        if name.endswith(".py"):
            raise ValueError(f"got {name!r}: {Path(name).stem} is ours; give the file another name")
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"got {name!r}, expected {', '.join(known)}, or a .py file of yours{meant}"
        )

    return AfterValidator(check)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_Number = BeforeValidator(_number)

Count = Annotated[int, _Number, Field(gt=0, le=LARGEST)]
"""1, 2, 3, …"""
Seed = Annotated[int, _Number, Field(ge=0, lt=2**32)]
Whole = Annotated[int, _Number, Field(ge=0, le=LARGEST)]
"""0, 1, 2, …"""
Positive = Annotated[float, _Number, Field(gt=0, le=1e12)]
NotNegative = Annotated[float, _Number, Field(ge=0, le=1e12)]
Share = Annotated[float, _Number, Field(ge=0, lt=1)]
Gibibytes = Annotated[float, _Number, Field(gt=0, le=2.0**20)]
Seconds = Annotated[int, _Number, Field(gt=0), AfterValidator(_seconds)]
"""A part of a day."""
Hours = Annotated[float, _Number, AfterValidator(_hours)]
WholeHours = Annotated[int, _Number, Field(gt=0, le=CENTURY)]
Location = Annotated[str, BeforeValidator(_location)]
"""A path or URL."""
Device = Annotated[str, BeforeValidator(_device)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Name = Annotated[str, AfterValidator(_name)]
BatchName = Annotated[str, AfterValidator(_batch_name)]
"""A queue or an account, as batch systems name them."""
Member = Annotated[int | str, BeforeValidator(_member)]
"""The number of an ensemble's member, or what it is called."""
Projection = Annotated[str, AfterValidator(_projection)]
"""What PROJ calls a map."""
RegionName = Annotated[str, AfterValidator(_region_name)]
"""A name that may stand in a table, a file and a page, of a part of the grid."""
Units = Annotated[dict[Name, Name], each_once(canonical)]
"""By variable."""
Renames = Annotated[dict[Name, Name], AfterValidator(_apart)]
Variables = Annotated[list[Name], Field(min_length=1), each_once(canonical)]
Bounds = Annotated[dict[Name, Annotated[Ends, AfterValidator(_ends)]], each_once(canonical)]
"""By variable: the lowest and the highest value, null where there is none."""
Transforms = Annotated[
    dict[
        Name,
        Annotated[Literal["none"] | dict[Literal["log1p"], float], BeforeValidator(_transform)],
    ],
    each_once(canonical),
]
"""By variable: what becomes of its values before they are normalised."""
Thresholds = Annotated[
    dict[
        Name,
        Annotated[
            list[Annotated[float | str, BeforeValidator(_threshold)]],
            Field(min_length=1),
            each_once(Threshold.of),
        ],
    ],
    each_once(canonical),
]
"""By variable: values that events begin at, or words such as `< 5` and `>= p90`."""
Amounts = Annotated[dict[Name, Annotated[float, _Number]], each_once(canonical)]
"""By variable, in its units."""
Squares = Annotated[list[Annotated[Count, AfterValidator(_odd)]], each_once()]
"""Widths of squares that have a point in their middle."""
Weights = Annotated[dict[Name, Positive], each_once(canonical)]
"""By variable, or by variable and level such as `temperature 850`."""
Fields = Annotated[list[Name], each_once(canonical)]
"""Variables, or none."""
Forcings = Annotated[list[Annotated[Name, AfterValidator(_forcing)]], each_once(canonical)]
"""Variables, or what is computed of time and place."""
Sources = Annotated[dict[Name, Annotated[str, BeforeValidator(_location)]], each_once(canonical)]
"""By variable: a word, or a path."""
Patch = Annotated[tuple[Count, Count, Count], BeforeValidator(_patch)]
Levels = Annotated[
    list[Annotated[float, _Number, AfterValidator(_level)]], Field(min_length=1), each_once()
]
