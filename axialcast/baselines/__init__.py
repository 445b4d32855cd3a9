"""Forecasts that any model must beat, fitted on the training years only."""

from axialcast.baselines.climatology import Climatology
from axialcast.baselines.linear_inverse_model import LinearInverseModel
from axialcast.baselines.persistence import Baseline, DampedPersistence, Persistence

__all__ = ["Baseline", "Climatology", "DampedPersistence", "LinearInverseModel", "Persistence"]
