"""Where the forcings of forecasts come from after the initial time, as a config says."""

from axialcast.baselines import Climatology, KeptFits, fit_baselines
from axialcast.data import open_analysis
from axialcast.forecast.forcings import Source
from axialcast.names import CLIMATOLOGY, canonical
from axialcast.run.config import Config
from axialcast.run.stamps import training_data

__all__ = ["forcing_sources"]


def forcing_sources(config: Config) -> dict[str, Source]:
    """Sources by variable, as `axialcast.forecast.Forecaster` takes them; climatologies fitted on
    the training period.

    Raises:
        ValueError: as the fit.
    """
    found: dict[str, Source] = {}
    for name, source in config.forecast.forcings.items():
        known = canonical(name)
        found[known] = _climatology(config, known) if source == CLIMATOLOGY else source
    return found


def _climatology(config: Config, variable: str) -> Climatology:
    assert config.data is not None
    opened = open_analysis(config.analysis_store, **config.opening)[[variable]]
    training = opened.sel(time=slice(*config.data.train))
    kept = KeptFits(config.output / f".fitted/{variable}", training_data(config))
    climatology, _ = fit_baselines(
        training,
        [],
        lead_times=training.time.values[:0],
        harmonics=config.verify.harmonics,
        kept=kept,
    )
    return climatology
