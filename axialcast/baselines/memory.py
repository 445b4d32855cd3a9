"""What fitted baselines hold for as long as they forecast."""

from collections.abc import Collection

from axialcast.baselines.fitting import JOINT
from axialcast.baselines.large import MOST_BYTES
from axialcast.baselines.patterns import MAX_PATTERNS, factor_for, num_bytes
from axialcast.data.reader import Analysis
from axialcast.times.steps import DAY, in_months

__all__ = ["fitted_bytes"]


def fitted_bytes(
    training: Analysis, names: Collection[str], *, num_leads: int, harmonics: int
) -> int:
    """Memory of the arrays that `fit_baselines` makes; larger ones lie on the disk.

    Args:
        training: that they are fitted on.
        names: of the baselines, beside the climatology.
        num_leads: lead times that damped persistence is fitted for.
        harmonics: of the climatology.
    """
    cadence = training.cadence
    fields = 12 if in_months(cadence) else max(1, round(DAY / cadence)) * (2 * harmonics + 1)
    sizes = [fields * training.state_bytes]
    if "damped_persistence" in names:
        sizes.append(num_leads * training.state_bytes)
    held = sum(size for size in sizes if size <= MOST_BYTES)
    factor = factor_for(len(training), training.shape, MAX_PATTERNS)
    joint = [name for name in JOINT if name in names]
    held += len(joint) * num_bytes(0, training.shape, MAX_PATTERNS, factor)
    return held
