"""What the sphere adds to axialcast.nn: patches, features of place and time, network, rollouts."""

from axialcast.model.calendar import calendar, dates
from axialcast.model.loss import area_weighted_mse
from axialcast.model.network import ForecastNetwork
from axialcast.model.rollout import rollout

__all__ = ["ForecastNetwork", "area_weighted_mse", "calendar", "dates", "rollout"]
