"""How a forecast store comes to hold more initial times: prepared aside, then moved in.

`.growing/` in the store holds the labels and inventories of the store that is to be, and which
initial times move to make room. It appears complete, and everything done with it may be done
again, so whoever finds it finishes it. Only for one who holds the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast.files import inventory
from axialcast.files.atomic import aside, remove, sync, write_json
from axialcast.files.documents import read_document
from axialcast.forecast.layout import canonical, chunkings, init_dim, write_template
from axialcast.times.dates import later
from axialcast.times.leads import leads_of

__all__ = ["begin", "finish", "months", "number_of", "renumbered"]

GROWING, LABELS, PLAN = ".growing", "labels", "plan.json"
MOVED, SCATTERING = "moved", "scattering"


def begin(
    store: Path, template: xr.Dataset, *, dates: Sequence[str], old: Sequence[str], about: Any
) -> None:
    """Prepares the growth of a store.

    Args:
        store: the folder, empty or a store.
        template: labels of all initial times that it will have.
        dates: these initial times as text, sorted.
        old: those that it has, in the order of their numbers.
        about: what its inventory of labels is to say besides.
    """
    staged = aside(store / GROWING[1:])
    labels = staged / LABELS
    staged.mkdir()
    write_template(labels, template, chunkings(template, store))
    files = inventory.take(labels)
    inventory.write(labels, files, "labels", {**about, "init_times": list(dates)})
    number = {date: index for index, date in enumerate(dates)}
    moves = {index: number[date] for index, date in enumerate(old) if number[date] != index}
    if moves:
        for month in months(store):
            known = inventory.about(store, month)
            files = renumbered(inventory.read(store, month), moves)
            inventory.write(labels, files, month, known)
    variables = [str(name) for name in template.data_vars]
    write_json(staged / PLAN, {"moves": list(moves.items()), "variables": variables})
    sync(staged)
    staged.rename(store / GROWING)


def finish(store: Path) -> None:
    """Finishes a growth that was begun; does nothing if there is none."""
    growing = store / GROWING
    if not growing.exists():
        return
    try:
        plan = read_document(growing / PLAN, "moves", "variables")
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{error}; remove {store} and forecast again") from None
    if plan["moves"]:
        _make_room(store, growing, dict(plan["moves"]), plan["variables"])
    labels = growing / LABELS
    # The root's metadata come last: with them, others see the store that is to be.
    for file in sorted(
        (p for p in labels.rglob("*") if p.is_file()), key=lambda p: (p.parent == labels, p)
    ):
        place = store / file.relative_to(labels)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
    sync(store)
    done = aside(store / GROWING[1:])
    growing.rename(done)
    remove(done)


def months(store: Path) -> list[str]:
    """Names of the inventories of complete initial times, in order."""
    paths = (store / inventory.FOLDER).glob("[0-9]*.json")
    return sorted(path.stem for path in paths)


def number_of(file: str) -> int:
    """Of the initial time that a chunk belongs to: 7 for `geopotential/c/7/0/0/0/0`."""
    return int(file.partition("/c/")[2].partition("/")[0])


def renumbered(files: inventory.Files, moves: Mapping[int, int]) -> inventory.Files:
    """An inventory of chunks after initial times got other numbers."""
    found: inventory.Files = {}
    for file, entry in files.items():
        variable, _, rest = file.partition("/c/")
        number, _, key = rest.partition("/")
        found[f"{variable}/c/{moves.get(int(number), int(number))}/{key}"] = entry
    return found


def with_init_times(template: xr.Dataset, times: Any) -> xr.Dataset:
    """The template for other initial times; its values are zeros that take no memory."""
    dim = init_dim(template)
    one = template.isel({dim: 0}, drop=True)
    coords: dict[str, Any] = {dim: (dim, times, template[dim].attrs)}
    for name, array in template.coords.items():
        if name != dim and dim in array.dims:
            valid = later(times[:, None], leads_of(canonical(template)))
            coords[str(name)] = (array.dims, valid, array.attrs)
        elif name != dim:
            coords[str(name)] = array
    fields = {
        name: (
            array.dims,
            np.broadcast_to(np.float32(0), (len(times), *one[name].shape)),
            array.attrs,
            array.encoding,
        )
        for name, array in template.data_vars.items()
    }
    return xr.Dataset(fields, coords, template.attrs)


def _make_room(
    store: Path, growing: Path, moves: Mapping[int, int], variables: Iterable[str]
) -> None:
    """Gives initial times their new numbers: all out of the way first, then into place."""
    moved, scattering = growing / MOVED, growing / SCATTERING
    if not scattering.exists():
        for variable in variables:
            (moved / variable).mkdir(parents=True, exist_ok=True)
            for old, new in moves.items():
                place = store / variable / "c" / str(old)
                if place.exists():
                    place.rename(moved / variable / str(new))
        scattering.touch()
        sync(growing)
    for variable in variables:
        for folder in (moved / variable).iterdir():
            folder.rename(store / variable / "c" / folder.name)
