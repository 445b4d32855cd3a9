"""Reads a config file: YAML and dotted overrides in, a checked `Config` or plain errors out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from axialcast.disclosure import shown
from axialcast.files.atomic import write_text
from axialcast.own import OwnFile
from axialcast.run.contradictions import contradictions
from axialcast.run.deliver_section import DeliverConfig
from axialcast.run.errors import ConfigError, describe_errors
from axialcast.run.reading import read_values
from axialcast.run.sections import (
    AxialConfig,
    ClusterConfig,
    DataConfig,
    ForecastConfig,
    Model,
    PrepareConfig,
    RegionConfig,
    RegridConfig,
    Section,
    SimulateConfig,
    Simulated,
    TrainConfig,
    VerifyConfig,
)
from axialcast.run.shipped import find_pipeline
from axialcast.run.stores import (
    Stores,
    addresses_of,
    in_words,
    locate,
    resolved,
    static_store_of,
    stores_of,
)
from axialcast.run.urls import at_url, is_url
from axialcast.run.values import Device, Folder, Seed, each_once
from axialcast.run.written import (
    OUTPUT,
    Kept,
    as_text,
    interpolated,
    kept,
    told,
    without_values,
    written,
)

__all__ = [
    "ClusterConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "ForecastConfig",
    "PrepareConfig",
    "RegionConfig",
    "RegridConfig",
    "SimulateConfig",
    "TrainConfig",
    "VerifyConfig",
    "load_config",
    "save_config",
]


OPENING = {
    *("variables", "levels", "region", "member", "gaps", "round_times_seconds", "grid_mapping"),
    *("rename", "units", "missing_chunks", "storage_options"),
}
"""Keys of `data` that are keywords of `axialcast.open_analysis`."""


class Config(Section):
    """A whole run. `data` is None only where no pipeline needs it."""

    pipeline: Annotated[
        list[str],
        BeforeValidator(lambda v: [v] if isinstance(v, str) else v),
        each_once(lambda name: Path(name).stem),
    ]
    """Pipelines in order: shipped names or paths to your own `.py`."""
    output: Folder
    """Folder, or URL of s3, gs or az, that everything is written to; by default runs/<name of the
    config>."""
    output_storage_options: dict[str, Any] = Field(default={})
    """For a URL as output, in words of fsspec or obstore; the rest is from the environment."""
    seed: Seed = 0
    """Seed of everything random."""
    device: Device = "auto"
    """auto, cpu, cuda, cuda:<index> or mps."""
    simulate: Simulated = SimulateConfig()
    data: DataConfig | None = None
    prepare: PrepareConfig | None = None
    """Null: the data are used as they are."""
    model: Model = AxialConfig()
    train: TrainConfig = TrainConfig()
    forecast: ForecastConfig = ForecastConfig()
    verify: VerifyConfig = VerifyConfig()
    deliver: DeliverConfig = DeliverConfig()
    cluster: ClusterConfig = ClusterConfig()
    _kept: Kept = PrivateAttr(default_factory=dict)
    _url: str | None = PrivateAttr(default=None)
    _own_files: dict[str, OwnFile] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any) -> None:
        self._kept = kept((context or {}).get("texts", {}), self.model_dump(mode="json"))
        self._url = (context or {}).get("url")
        if self._url is not None:
            text, _ = self._kept.get(OUTPUT, (self._url, None))
            self._kept[OUTPUT] = (text, str(self.output))

    def __eq__(self, other: object) -> bool:
        """Whether the values are the same, however they were written."""
        return isinstance(other, Config) and self.model_dump() == other.model_dump()

    @property
    def url(self) -> str | None:
        """Where the outputs are copied to from `output`, their working folder; None: nowhere."""
        return self._url

    @property
    def address(self) -> str:
        """Where the outputs are, as it may be told."""
        return shown(self._url or str(self.output))

    @property
    def source_store(self) -> Stores:
        """Where the analyses come from: data.store, or what simulate writes."""
        said = self.data and stores_of(self.data)
        return said or str(self.output / "analysis.zarr")

    @property
    def source_address(self) -> str | list[str]:
        """`source_store` as it may be told: without secrets, interpolations as they stand."""
        if self.data is None or self.data.store is None:
            return f"{self._output_address}/analysis.zarr"
        return addresses_of(self.data, self._kept)

    @property
    def static_store(self) -> Stores:
        """Where static fields come from."""
        return (self.data and static_store_of(self.data)) or self.source_store

    @property
    def mask_stores(self) -> dict[str, Stores]:
        """Where masks of regions come from, by region."""
        areas = self.verify.regions.items()
        return {name: a.store or self.static_store for name, a in areas if a.mask is not None}

    @property
    def boundary_store(self) -> str | None:
        """Where forecasts have the boundary of a region from; None: from what they start from."""
        if self.data is None or self.data.boundary is None:
            return None
        return self.forecast.boundary_store or self.data.boundary.store

    @property
    def parent_address(self) -> str | None:
        """The checkpoint that training starts from, as it may be told."""
        place = self.train.start_from
        return place and told(("train", "start_from"), place, self._kept)

    @property
    def network_file(self) -> OwnFile | None:
        """The Python file that builds the network, where that is the user's."""
        return self.own_file(getattr(self.model, "path", None))

    @property
    def loss_file(self) -> OwnFile | None:
        """The Python file that defines the loss, where that is the user's."""
        return self.own_file(self.train.loss.path)

    def own_file(self, path: str | None) -> OwnFile | None:
        """A Python file of the user's as it was when it was asked for first, so that all of a run
        speaks of the same; None: of none.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if path is not None and path not in self._own_files:
            self._own_files[path] = OwnFile.read(path)
        return None if path is None else self._own_files[path]

    @property
    def network_path(self) -> str | None:
        """Where that is."""
        return None if self.network_file is None else str(self.network_file.path)

    @property
    def analysis_address(self) -> str | list[str]:
        """`analysis_store` as it may be told."""
        return f"{self._output_address}/training.zarr" if self.prepare else self.source_address

    @property
    def analysis_name(self) -> str:
        """What errors call `analysis_store`."""
        return in_words(self.analysis_address)

    @property
    def source_name(self) -> str:
        """What errors call `source_store`."""
        return in_words(self.source_address)

    @property
    def _output_address(self) -> str:
        return told(OUTPUT, str(self.output), self._kept)

    @property
    def text(self) -> str:
        """Every key with the value it has, as YAML that holds no secret: see `run.written`."""
        return as_text(written(self.model_dump(mode="json"), self._kept))

    @property
    def analysis_store(self) -> Stores:
        """Where train, forecast and verify find the analyses: what prepare writes, or the source.

        The `prepare:` section decides, so that one stage run alone reads what all of them read.
        """
        return str(self.output / "training.zarr") if self.prepare else self.source_store

    @property
    def opening(self) -> dict[str, Any]:
        """How train, forecast and verify open the analyses: keywords of `open_analysis`."""
        assert self.data is not None
        data = self.data
        # A prepared store holds the region alone, in units of ours.
        names = OPENING & {"levels", "gaps"} if self.prepare else OPENING - {"variables"}
        variables = [*data.forecast_variables, *data.stored_forcings]
        return {"variables": variables, **data.model_dump(include=names)}

    @property
    def verified_opening(self) -> dict[str, Any]:
        """As `opening`, of what is forecast alone."""
        assert self.data is not None
        return {**self.opening, "variables": self.data.forecast_variables}

    @property
    def recipe(self) -> dict[str, Any]:
        """What prepare makes: keywords of `axialcast.data.preparing.preparation.Recipe`."""
        assert self.data is not None
        names = OPENING | {"train", "step", "step_hours"}
        data = self.data.model_dump(mode="json", include=names)
        data["variables"] = [*self.data.forecast_variables, *self.data.stored_forcings]
        prepare = (self.prepare or PrepareConfig()).model_dump(mode="json")
        address = self.source_address
        known = {"address": address} if "${" in str(address) else {}
        return {"store": resolved(self.source_store), **known, **data, **prepare}

    @model_validator(mode="before")
    @classmethod
    def _prepare_has_a_section(cls, values: Any) -> Any:
        """A pipeline with prepare prepares, with or without a `prepare:` section."""
        if isinstance(values, dict) and values.get("prepare") is None:
            named = values.get("pipeline")
            if "prepare" in (named if isinstance(named, list) else [named]):
                return {**values, "prepare": {}}
        return values

    @field_validator("pipeline")
    @classmethod
    def _pipelines_exist(cls, names: list[str], info: ValidationInfo) -> list[str]:
        lines = []
        for name in names:
            try:
                find_pipeline(name, (info.context or {}).get("folder", Path()))
            except ValueError as error:
                lines.append(str(error))
        if lines or not names:
            raise ValueError("\n".join(lines) or "empty; name at least one pipeline")
        return names

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        lines = contradictions(self)
        if lines:
            raise ValueError("\n".join(lines))
        return self


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The config in a YAML file, with dotted overrides merged in.

    `${oc.env:NAME,default}` reads an environment variable. A relative `data.store` is taken from
    the working directory, and if not found there from the config file's folder.

    Args:
        path: YAML file.
        overrides: `KEY=VALUE` with dotted keys, e.g. `train.batch_size=8`; they win over the file.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: all that is wrong, one line each.

    Example:
        >>> load_config("configs/smallest.yaml", ["train.batch_size=3"]).train.batch_size
        3
    """
    path = Path(path)
    values, texts = read_values(path, overrides)
    values.setdefault("output", str(Path("runs") / path.stem))
    url = None
    if is_url(values["output"]):
        url, values["output"] = at_url(values["output"])
    for key in ("store", "static_store", "boundary"):
        locate(values.get("data"), texts.get("data"), key, path.parent)
    locate(values.get("forecast"), texts.get("forecast"), "boundary_store", path.parent)
    locate(values.get("model"), texts.get("model"), "path", path.parent)
    loss = [_below(sections, "train", "loss") for sections in (values, texts)]
    locate(loss[0], loss[1], "path", path.parent)
    for key in ("metrics", "baselines"):
        named, before = (_below(sections, "verify", key) for sections in (values, texts))
        for number, name in enumerate(named if isinstance(named, list) else []):
            if isinstance(name, str) and name.endswith(".py"):
                locate(named, before, number, path.parent)
    locate(values.get("train"), texts.get("train"), "start_from", path.parent)
    interpolations = list(interpolated(texts, values))
    context = {"folder": path.parent, "texts": texts, "url": url}
    errors = describe_errors(Config, values, context)
    if errors:
        overridden = [override.partition("=")[0] for override in overrides]
        lines = [(key, without_values(key, line, interpolations)) for key, line in errors]
        raise ConfigError([f"{_origin(key, path, overridden)}: {line}" for key, line in lines])
    return Config.model_validate(values, context=context)


def _below(sections: Any, *keys: str) -> Any:
    """What stands below some keys; None: nothing does."""
    for key in keys:
        sections = sections.get(key) if isinstance(sections, dict) else None
    return sections


def save_config(config: Config, path: str | Path) -> None:
    """Writes every key with the value it has, so that the file alone repeats the run.

    Interpolations stay as they stand, and secrets are left to the environment, which has to hold
    them when it is read again.
    """
    write_text(Path(path), config.text)


def _origin(key: str, path: Path, overridden: Sequence[str]) -> str:
    """Where the reader must look: the file, or the command line if the key was given there."""
    is_override = any(key == name or key.startswith(f"{name}.") for name in overridden)
    return "command line" if key and is_override else str(path)
