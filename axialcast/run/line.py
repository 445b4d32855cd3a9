"""The stages of a config taken together: what contradicts among them, before any of them runs."""

import difflib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from axialcast.disclosure import shown
from axialcast.files import clearing, holding, inventory
from axialcast.names import ANALYSIS, CLIMATOLOGY, PERSIST
from axialcast.run.config import Config, ConfigError
from axialcast.run.errors import places
from axialcast.run.shipped import find_pipeline, pipelines
from axialcast.run.stage import Stage
from axialcast.run.stamps import STAMPS, checkpoint_in, read_stamp
from axialcast.run.stores import local_places

__all__ = ["stages_of", "workers_uninstalled"]

OURS = {"config.yaml", "logs", ".jobs.json", ".parts", STAMPS, holding.NAME, inventory.FOLDER}
"""Names in an output folder that no stage may make or remove."""

SHARED = {"prepare", "forecast", "verify"}
"""Stages that the Dask workers of `cluster:` share."""

FILES = {".csv", ".html", ".json", ".jsonl", ".nc"}
"""How the names end of what shipped pipelines write that is no folder."""


def stages_of(config: Config, folder: Path = Path()) -> list[Stage]:
    """The stages of the config's pipelines, in order.

    Args:
        config: the run.
        folder: where the pipelines' relative paths are looked for besides the working directory.

    Raises:
        ValueError: a pipeline is no program of ours.
        ConfigError: they contradict one another, one line each.
    """
    stages = [Stage.load(find_pipeline(name, folder)) for name in config.pipeline]
    of_each = (_unknown_keys, _foreign_names, _uninstalled)
    lines = [line for stage in stages for find in of_each for line in find(stage)]
    if SHARED & {stage.name for stage in stages}:
        lines += workers_uninstalled(config)
    lines += _files_nowhere(config, {stage.name for stage in stages})
    if "verify" in {stage.name for stage in stages}:
        lines += _baselines_uninstalled(config)
    if "forecast" in {stage.name for stage in stages}:
        lines += [*_forcings_nowhere(config), *_boundary_nowhere(config)]
    if "train" in {stage.name for stage in stages}:
        lines += _parent_nowhere(config)
    lines = lines or [*_written_twice(stages), *_overwritten(config, stages)]
    lines = lines or [*_never_made(config, stages), *_in_the_way(config, stages)]
    if lines:
        raise ConfigError(lines)
    return stages


def _files_nowhere(config: Config, names: set[str]) -> Iterator[str]:
    """Python files of the user's that are not there, of the stages that run them."""
    files = [
        ("model.path", "network", getattr(config.model, "path", None), {"train", "forecast"}),
        ("train.loss.path", "loss", config.train.loss.path, {"train"}),
        *(("verify.metrics", "score", name, {"verify"}) for name in config.verify.own_metrics),
        *(("verify.baselines", "baseline", n, {"verify"}) for n in config.verify.own_baselines),
    ]
    for key, example, path, stages in files:
        if path is not None and names & stages and not Path(path).is_file():
            yield (
                f"{key}: no such file {path}; give a path from here or from the config's folder "
                f"(axialcast cp {example} {Path(path).name} makes one)"
            )


def _forcings_nowhere(config: Config) -> Iterator[str]:
    """Sources of forcings that are neither a word nor there."""
    for name, source in config.forecast.forcings.items():
        if source not in (ANALYSIS, PERSIST, CLIMATOLOGY) and not Path(source).exists():
            yield (
                f"forecast.forcings: {name}: {source} is not there; expected {ANALYSIS}, "
                f"{PERSIST}, {CLIMATOLOGY}, or the forecast.zarr of another run"
            )


def _boundary_nowhere(config: Config) -> Iterator[str]:
    """A boundary of forecasts that is not there, or that no network is trained for."""
    store, data = config.forecast.boundary_store, config.data
    if store is None:
        return
    if data is not None and data.boundary is None:
        yield (
            "forecast.boundary_store: is of no use without data.boundary, with which the network "
            "is trained; say its width there, or leave it out"
        )
    if "://" not in store and not Path(store).exists():
        yield (
            f"forecast.boundary_store: {shown(store)} is not there; expected the forecast.zarr of "
            "another run, or an analysis"
        )


def _parent_nowhere(config: Config) -> Iterator[str]:
    """A checkpoint to start from that is not there, and what has no sense without one."""
    place = config.train.start_from
    if place is None:
        if config.train.carried_rate != 1:
            yield (
                "train.carried_rate: is of no use without train.start_from, which says what is "
                "carried over; leave it out, or set train.learning_rate"
            )
        if config.train.freeze and config.model.kind != "file":  # which may bring weights
            yield (
                "train.freeze: without train.start_from these parts would stay as they are drawn, "
                "having learned nothing; leave it out, or name a checkpoint to start from"
            )
        return
    if "://" not in place and not (checkpoint_in(Path(place)) / "model.json").is_file():
        why = "no checkpoint yet; run that to its end" if Path(place).exists() else "not there"
        yield (
            f"train.start_from: {config.parent_address} is {why}; expected the output folder of "
            "another run, or the checkpoint in it"
        )


def _unknown_keys(stage: Stage) -> Iterator[str]:
    """READS that are no keys of a config."""
    known = list(places(Config, in_lists=False))
    for key in stage.reads or ():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "expected keys such as data.train"
            yield f"{stage.path}: READS: {key!r} is no key of a config; {remedy}"


def _foreign_names(stage: Stage) -> Iterator[str]:
    """Names that would lead out of the output folder, or to what is not a stage's to make."""
    parts = {
        "NEEDS": stage.needs,
        "OUTPUTS": stage.outputs,
        "RESUMES": stage.resumes,
        "KEEPS": stage.keeps,
    }
    for constant, names in parts.items():
        for name in names or ():
            path = PurePosixPath(name)
            is_inside = name.strip() and not path.is_absolute() and ".." not in path.parts
            if not is_inside or not path.parts or path.parts[0] in OURS:
                yield (
                    f"{stage.path}: {constant}: {name!r} is not a stage's to make; "
                    "expected a name in the output folder such as forecast.zarr"
                )


def _uninstalled(stage: Stage) -> Iterator[str]:
    """Packages that it imports at its top, and that are not there."""
    for name in stage.imports:
        try:
            is_there = find_spec(name) is not None
        except (ImportError, ValueError):
            is_there = False
        if not is_there:
            yield f"{stage.path}: imports {name}, which is not installed; install it"


def workers_uninstalled(config: Config) -> Iterator[str]:
    """A line if a config wants workers, and what they need is not installed."""
    cluster = config.cluster
    needed = ["distributed", *(["dask_jobqueue"] if cluster.kind in ("slurm", "pbs") else [])]
    wanted = cluster.workers or cluster.kind == "address"
    if wanted and any(find_spec(name) is None for name in needed):
        instead = "cluster.kind to local" if cluster.kind == "address" else "it to 0"
        yield (
            f"cluster.{'workers' if cluster.workers else 'kind'}: workers need pip install "
            f"'axialcast[hpc]'; or set {instead}"
        )


def _baselines_uninstalled(config: Config) -> Iterator[str]:
    """A line if a config wants a baseline whose packages are not installed."""
    name = "lagrangian_persistence"
    if name in config.verify.baselines and any(find_spec(p) is None for p in ("pysteps", "cv2")):
        yield (f"verify.baselines: {name} needs pip install 'axialcast[nowcast]'; or leave it out")


def _written_twice(stages: Sequence[Stage]) -> Iterator[str]:
    made_by: dict[str, Stage] = {}
    for stage in stages:
        for name in stage.outputs:
            if name in made_by:
                yield (
                    f"pipeline: {made_by[name].name} and {stage.name} both make {name}; "
                    "leave one of them out"
                )
            made_by[name] = stage


def _overwritten(config: Config, stages: Sequence[Stage]) -> Iterator[str]:
    """A store that is read and that a stage would write."""
    for store in local_places(config.data) if config.data is not None else ():
        path = Path(store).resolve()
        for stage in stages:
            made = [(config.output / n).resolve() for n in (*stage.outputs, *stage.resumes)]
            if not {*made}.isdisjoint((path, *path.parents)):
                yield (
                    f"data.store: {store} is what the pipeline {stage.name} writes; "
                    "set output to another folder"
                )
                return


def _in_the_way(config: Config, stages: Sequence[Stage]) -> Iterator[str]:
    """What lies where a shipped pipeline will write, and is not its to replace."""
    shipped = {path.resolve() for path in pipelines().values()}
    for stage in stages:
        if stage.path.resolve() not in shipped or read_stamp(config.output, stage.name):
            continue
        for name in dict.fromkeys((*stage.outputs, *stage.resumes, *stage.keeps)):
            path = config.output / name
            is_file = path.suffix in FILES
            if path.is_dir() if is_file else path.is_file():
                kinds = ("folder", "file") if is_file else ("file", "folder")
                yield (
                    f"{path}: is a {kinds[0]}, and {stage.name} writes a {kinds[1]} there; "
                    "remove it, or set another output"
                )
            elif path.suffix == ".zarr" and any(path.glob("[!.]*")):  # else a killed run's
                try:
                    clearing.require_ours(path.resolve())
                except ValueError as error:
                    yield str(error)


def _never_made(config: Config, stages: Sequence[Stage]) -> Iterator[str]:
    """What a stage is made of, and neither an earlier stage makes nor an earlier run has made."""
    made: set[str] = set()
    if config.data is not None and config.data.store is not None:
        made.add("analysis.zarr")  # it is read in place of a simulation
    for number, stage in enumerate(stages):
        for name in stage.needs or ():
            path = config.output / name
            if name not in made and not path.exists():
                later = [other.name for other in stages[number + 1 :] if name in other.outputs]
                yield (
                    f"{path}: no {name} there; the pipeline {stage.name} needs it, "
                    f"{_who_makes(name, later)}"
                )
        made.update(stage.outputs)


def _who_makes(name: str, later: Sequence[str]) -> str:
    if later:
        return f"and {later[0]} makes it: put that first"
    shipped = [n for n, path in pipelines().items() if name in Stage.load(path).outputs]
    return f"run {shipped[0]} first" if shipped else "and no pipeline makes it; correct its NEEDS"
