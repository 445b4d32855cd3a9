"""What contradicts between sections of a config, each right by itself: one line of it each."""

from pathlib import Path
from typing import TYPE_CHECKING

from axialcast.names import canonical
from axialcast.run.deliver_section import without_code
from axialcast.run.spelled import said_step
from axialcast.run.stores import in_words, local_places
from axialcast.times.periods import period_bounds
from axialcast.times.steps import in_months, multiple

if TYPE_CHECKING:
    from axialcast.run.config import Config
    from axialcast.run.sections import DataConfig

__all__ = ["contradictions"]


def contradictions(config: "Config") -> list[str]:
    """Lines that begin with the key to change."""
    data, lines = config.data, _loss(config)
    if data is not None:
        about_data = (_data, _places, _simulated, _forcings, _packing, _delivery)
        lines += [line for check in about_data for line in check(config, data)]
    elif set(config.pipeline) - {"simulate"}:
        lines.append("data: missing; say which variables and years under data:")
    return lines


def _data(config: "Config", data: "DataConfig") -> list[str]:
    """What contradicts between data and the other sections."""
    lines = []
    longest, step = config.forecast.longest, data.model_step
    if step is not None and not multiple(longest, step):
        lines.append(
            f"forecast.{said_step(config.forecast, 'lead_time')} is not a multiple of "
            f"data.{said_step(data, 'step')}"
        )
    if data.input_steps % (times := config.model.patching[0]):
        lines.append(
            f"model.patch: {times} times do not divide data.input_steps {data.input_steps}; make "
            "the first number 1"
        )
    if config.train.domain_ranks > 1 and config.model.kind != "axial":
        lines.append(
            "train.domain_ranks: only model.kind: axial can be shared by latitudes; set it to 1"
        )
    return lines


def _places(config: "Config", data: "DataConfig") -> list[str]:
    """An output folder that is, or lies in, what is only read; or holds what training starts
    from."""
    output, parent = config.output.resolve(), config.train.start_from
    lines = [
        f"output: {config.output} is or lies in data.store {place}; set it elsewhere"
        for place in local_places(data)
        if Path(place).resolve() in (output, *output.parents)
    ]
    begun = (config.url or str(output)).rstrip("/")
    start = parent and (parent if "://" in parent else str(Path(parent).resolve())).rstrip("/")
    if start and f"{start}/".startswith(f"{begun}/"):
        lines.append(
            f"train.start_from: {config.parent_address} is in output {config.address}, which this "
            "run writes; set output elsewhere, such as output=runs/tuned"
        )
    return lines


def _loss(config: "Config") -> list[str]:
    """A loss of members where there are none, or of one where there are many."""
    noise, kind = config.model.noise, config.train.loss.kind
    if kind == "crps" and not noise:
        line = "crps judges members of a network that is given noise; set model.noise, such as 4"
        return [f"train.loss: {line}, or choose mse"]
    if kind == "mse" and noise:
        line = f"with mse a network learns to ignore the {noise} fields of model.noise"
        return [f"train.loss: {line}; choose crps, or set model.noise to 0"]
    return []


def _forcings(config: "Config", data: "DataConfig") -> list[str]:
    """Sources of what is no forcing of the store."""
    known = set(map(canonical, data.stored_forcings))
    return [
        f"forecast.forcings: {name} is not among data.forcings, or is computed; leave it out"
        for name in config.forecast.forcings
        if canonical(name) not in known
    ]


def _packing(config: "Config", data: "DataConfig") -> list[str]:
    """Ranges of what is not forecast."""
    known = set(map(canonical, data.forecast_variables))
    return [
        f"forecast.packing.ranges: {name} is not forecast; leave it out"
        for name in getattr(config.forecast.packing, "ranges", {})
        if canonical(name) not in known
    ]


def _delivery(config: "Config", data: "DataConfig") -> list[str]:
    """Forecasts that GRIB cannot hold."""
    if "deliver" not in config.pipeline or "grib2" not in config.deliver.formats:
        return []
    lines = [
        f"deliver.formats: grib2 has no code for {name}; deliver netcdf, or leave it out of data"
        for name in without_code(data.forecast_variables)
    ]
    if data.model_step is not None and in_months(data.model_step):
        lines.append("deliver.formats: grib2 is not written in steps of months; deliver netcdf")
    return lines


def _simulated(config: "Config", data: "DataConfig") -> list[str]:
    """What contradicts between data and what is to be simulated for it."""
    if "simulate" not in config.pipeline:
        return []
    lines = []
    if data.store is not None:
        lines.append(
            f"data.store: {in_words([store.store for store in data.stores])} would be read, not "
            "what simulate writes; leave out data.store, or simulate from the pipeline"
        )
    if data.static and data.static_store is None:
        lines.append(
            f"data.static: {data.static[0]} is not among what simulate writes; set "
            "data.static_store to where it is"
        )
    start, end = period_bounds((config.simulate.start, config.simulate.end))
    for name in ("train", "validate", "test"):
        period = getattr(data, name)
        first, last = period_bounds(period)
        if first < start or last > end:
            lines.append(
                f"data.{name}: {period[0]} to {period[1]} is not within simulate.start "
                f"{config.simulate.start} to simulate.end {config.simulate.end}"
            )
    return lines
