"""Forecasts that any model must beat, fitted on the training years only."""

from axialcast.baselines.baseline import Baseline
from axialcast.baselines.climatology import Climatology
from axialcast.baselines.damped_persistence import DampedPersistence
from axialcast.baselines.fitting import fit_baselines
from axialcast.baselines.kept import KeptFits
from axialcast.baselines.lagrangian_persistence import LagrangianPersistence
from axialcast.baselines.linear_inverse_model import LinearInverseModel
from axialcast.baselines.percentiles import Percentiles
from axialcast.baselines.persistence import Persistence
from axialcast.baselines.probabilistic_climatology import ProbabilisticClimatology
from axialcast.baselines.vector_autoregression import VectorAutoregression

__all__ = [
    "Baseline",
    "Climatology",
    "DampedPersistence",
    "KeptFits",
    "LagrangianPersistence",
    "LinearInverseModel",
    "Percentiles",
    "Persistence",
    "ProbabilisticClimatology",
    "VectorAutoregression",
    "fit_baselines",
]
