"""What the sphere adds to axialcast.nn: patches, features of place and time, the network."""

from axialcast.model.loss import area_weighted_mse
from axialcast.model.network import ForecastNetwork

__all__ = ["ForecastNetwork", "area_weighted_mse"]
