"""Names that a store has wrong, given right by who opens it."""

from collections.abc import Mapping, Sequence

import xarray as xr

from axialcast.names import canonical

__all__ = ["named_there", "present", "renamed"]


def named_there(
    variables: Sequence[str] | None, rename: Mapping[str, str] | None
) -> Sequence[str] | None:
    """The variables that are asked for, and what these are called in the store; None: all."""
    if variables is None or not rename:
        return variables
    wanted = set(map(canonical, variables))
    return [*variables, *(old for old, new in rename.items() if canonical(new) in wanted)]


def present(parts: Mapping[str, xr.Dataset], rename: Mapping[str, str] | None) -> dict[str, str]:
    """What of the names to change is in these files: of what is said of several stores at once."""
    there = {str(name) for raw in parts.values() for name in {*raw.variables, *raw.dims}}
    return {old: new for old, new in (rename or {}).items() if old in there}


def renamed(
    parts: Mapping[str, xr.Dataset], rename: Mapping[str, str] | None
) -> dict[str, xr.Dataset]:
    """Raw files by name, their variables, coordinates and dimensions called otherwise.

    Args:
        parts: as their backends open them.
        rename: a name in the files, and the name that it gets.

    Raises:
        ValueError: no file has it, or one has the other as well.
    """
    found = dict(parts)
    for old, new in (rename or {}).items():
        having = [name for name, raw in parts.items() if old in raw.variables or old in raw.dims]
        if not having:
            names = sorted({str(name) for raw in parts.values() for name in raw.variables})
            raise ValueError(
                f"data.rename: {old} is none of {', '.join(names)}; correct it, or leave it out"
            )
        for name in having:
            raw = found[name]
            if new != old and (new in raw.variables or new in raw.dims):
                raise ValueError(
                    f"{name}: data.rename: {old} cannot be called {new}, for there is one of that "
                    f"name; rename that as well, to something else"
                )
            found[name] = raw.rename({old: new})
    return found
