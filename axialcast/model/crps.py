"""The almost fair continuous ranked probability score of an ensemble.

Shapes: m members.
"""

import itertools

from torch import Tensor

__all__ = ["almost_fair_crps", "fair_squared_error"]


def almost_fair_crps(errors: Tensor, alpha: float = 0.95) -> Tensor:
    """afCRPS of members that depart from the truth by errors x_j - y.

    Lang et al. 2024, AIFS-CRPS (arXiv 2412.15832), section 2, in the form that takes no small
    difference of large numbers:

        1 / (2 m (m - 1)) · Σ_{j ≠ k} |x_j - y| + |x_k - y| - (1 - ε) |x_j - x_k|,
        ε = (1 - α) / m

    With α = 1 it is the fair CRPS (Ferro 2014), whose expectation does not depend on the number of
    members, but which leaves all members but two free where those two lie on either side of the
    truth; with α = 0 the CRPS of the ensemble as it is. FourCastNet 3 (Bonev et al. 2025, arXiv
    2507.12144) is trained on the same family.

    Args:
        errors: (m, ...), m two or more.

    Returns:
        (...) in the units of the errors.

    Example:
        >>> almost_fair_crps(torch.tensor([1.0, -1.0]), alpha=1.0)
        tensor(0.)
    """
    num = len(errors)
    assert num > 1, "one member has no spread"
    share = 1 - (1 - alpha) / num
    sizes = errors.abs()
    total = sizes.sum(0) * (num - 1)  # each member stands in so many pairs
    for one, other in itertools.combinations(range(num), 2):
        total = total - share * (errors[one] - errors[other]).abs()
    return total / (num * (num - 1))


def fair_squared_error(errors: Tensor) -> Tensor:
    """Squared error of the mean of as many members as one likes, of a few that depart from the
    truth by errors x_j - y: the mean of (x_j - y) (x_k - y) over pairs of different members.

    Its expectation is least where the members' mean is the truth's, and says nothing of spread: a
    proper score, and the sum of it and the CRPS a strictly proper one.

    Args:
        errors: (m, ...), m two or more.

    Returns:
        (...) in squares of the units; of a few members it may be negative.
    """
    num = len(errors)
    assert num > 1, "one member has no pairs"
    return (errors.sum(0).square() - errors.square().sum(0)) / (num * (num - 1))
