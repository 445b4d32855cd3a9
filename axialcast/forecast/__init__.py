"""From a trained network to labelled forecasts, in memory or on disk."""

from axialcast.forecast.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from axialcast.forecast.forecaster import Forecaster, load
from axialcast.forecast.hindcast import Hindcast, write_block
from axialcast.forecast.selection import choose_init_times, choose_lead_times
from axialcast.forecast.store import ForecastStore
from axialcast.forecast.writer import ForecastWriter
from axialcast.model import calendar, rollout
from axialcast.times.dates import date_text, datetimes

__all__ = [
    "Checkpoint",
    "ForecastStore",
    "ForecastWriter",
    "Forecaster",
    "Hindcast",
    "calendar",
    "choose_init_times",
    "choose_lead_times",
    "date_text",
    "datetimes",
    "load",
    "load_checkpoint",
    "rollout",
    "save_checkpoint",
    "write_block",
]
