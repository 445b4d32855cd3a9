"""Area-weighted losses: a sum of terms, each a quotient of sums that processes can share.

Shapes: m members, b windows, k lead times, c channels, h latitudes, w longitudes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.linalg import vector_norm

from axialcast.model.crps import almost_fair_crps, fair_squared_error
from axialcast.model.scales import block_sums, waves

__all__ = ["Loss", "Term", "area_weighted_mse"]

Score = Callable[[Tensor], Tensor]
"""(m, ...) errors → (...) what they cost."""


class Term(Protocol):
    """What a loss is a weighted sum of: `upper` over `lower`.

    Both add up over windows and over bands of latitudes, so that processes can share them, and no
    forecast changes `lower`.
    """

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        """A scalar.

        Args:
            errors: (m, b, k, c, h, w) of the members in units of the scale, 0 where not valid.
            target: (b, k, c, h, w) in these units.
            area_weights: (h, w) with mean 1 over the whole grid.
            valid: (b, k, c, h, w) bool; None: everywhere.
        """

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        """A scalar, of targets of a shape (b, k, c, h, w)."""


@dataclass(frozen=True)
class Loss:
    """Sum over terms of weight · upper / lower.

    Args:
        terms: what is judged.
        weights: of the terms.
        samples: members of a network conditioned on noise that each window is forecast by; 1: of
            one that is not.
    """

    terms: tuple[Term, ...]
    weights: tuple[float, ...]
    samples: int = 1

    @classmethod
    def of(
        cls,
        kind: Literal["mse", "crps"] = "mse",
        *,
        alpha: float = 0.95,
        samples: int = 2,
        mean: float = 0.0,
        spectral: float = 0.0,
        blocks: tuple[int, ...] = (),
        blocks_weight: float = 1.0,
        is_periodic: bool = True,
    ) -> "Loss":
        """The squared error of one forecast, or the almost fair CRPS of several, of each cell; and
        with other weights of spectra along rows and of means over blocks of cells.

        Args:
            kind: mse, or crps of a network conditioned on noise.
            alpha, samples: of the CRPS: see `almost_fair_crps`, and members.
            mean: of the CRPS, weight of the squared error of the members' mean, see
                `fair_squared_error`: where the CRPS alone learns slowly, as of two members only
                that nearer to the truth moves it.
            spectral: weight of the waves along rows. Of the squared error, how their amplitudes
                differ: what it forgives, weak waves where their phase is not known, this does not
                (Subich et al. 2025, arXiv 2501.19374, section 2, amplitudes alone and by rows). Of
                the CRPS, their coefficients (FourCastNet 3, arXiv 2507.12144).
            blocks: cells along a side of the blocks whose means are judged as cells are: that the
                members of a forecast belong together (after Lang et al. 2025, arXiv 2506.10868).
            blocks_weight: of each size of them.
            is_periodic: whether rows close on themselves.
        """
        score = squared if kind == "mse" else partial(almost_fair_crps, alpha=alpha)
        terms: list[Term] = [Cells(score)]
        weights = [1.0]
        if mean and kind == "crps":
            terms.append(Cells(fair_squared_error))
            weights.append(mean)
        if spectral:
            terms.append(Amplitudes(is_periodic) if kind == "mse" else Waves(score, is_periodic))
            weights.append(spectral)
        if blocks_weight:
            terms += [Blocks(score, size) for size in blocks]
            weights += [blocks_weight] * len(blocks)
        return cls(tuple(terms), tuple(weights), 1 if kind == "mse" else samples)

    def upper(
        self,
        forecast: Tensor,
        target: Tensor,
        *,
        area_weights: Tensor,
        scale: Tensor,
        valid: Tensor | None = None,
    ) -> Tensor:
        """The upper sums of the terms, one each.

        Args:
            forecast: (m, b, k, c, h, w) normalised; anything, even NaN, where not valid. The
                gradient is zero there.
            target: (b, k, c, h, w) likewise.
            area_weights: (h, w) with mean 1 over the whole grid, 0 where nothing is judged.
            scale: (c, 1, 1), the error that counts as one: the standard deviation of an increment,
                so that slow and fast channels weigh alike (Lam et al. 2023, GraphCast, SM 4.2).
            valid: (b, k, c, h, w) bool, where they are compared; None: everywhere.
        """
        errors = (forecast - target) / scale
        if valid is not None:
            errors = torch.where(valid, errors, 0.0)
        scaled = target / scale
        return torch.stack([term.upper(errors, scaled, area_weights, valid) for term in self.terms])

    def lower(self, shape: torch.Size, *, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        """The lower sums of the terms, one each, of targets of a shape (b, k, c, h, w)."""
        return torch.stack([term.lower(shape, area_weights, valid) for term in self.terms])

    def shares(self, lower: Tensor) -> Tensor:
        """What upper sums are multiplied by, to be added: weight / lower, where that is not 0."""
        parts = zip(self.weights, _above_zero(lower), strict=True)
        return torch.stack([weight / part for weight, part in parts])

    def value(self, upper: Tensor, lower: Tensor) -> Tensor:
        """The loss, a scalar, of sums over all windows; 0 where nothing is valid."""
        parts = zip(self.weights, upper / _above_zero(lower), strict=True)
        return torch.stack([weight * part for weight, part in parts]).sum()


@dataclass(frozen=True)
class Cells:
    """Each cell by its area: Σ v · w · score / Σ v · w, v whether it is valid."""

    score: Score

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        return (self.score(errors) * area_weights).sum()

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        return _area_of(shape, area_weights, valid)


@dataclass(frozen=True)
class Blocks:
    """Means over blocks of cells, by the area of what is valid in them.

    Bands of latitudes must end where blocks do.
    """

    score: Score
    size: int

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        weight = area_weights if valid is None else area_weights * valid
        area = block_sums(weight, self.size)
        means = block_sums(errors * area_weights, self.size) / _above_zero(area)
        return (self.score(means) * area).sum()

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        return _area_of(shape, area_weights, valid)


@dataclass(frozen=True)
class Waves:
    """Coefficients of waves along rows, each row by its area, but those that lack a cell."""

    score: Score
    is_periodic: bool

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        cost = self.score(waves(errors, self.is_periodic)).sum((-2, -1)) / errors.shape[-1]
        return (cost * _row_weights(area_weights, valid)).sum()

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        return _row_weights(area_weights, valid).expand(shape[:-1]).sum()


@dataclass(frozen=True)
class Amplitudes:
    """Squared differences of the amplitudes of waves along rows, of forecast and truth.

    Each row by its area; rows that lack a cell do not count. At most the squared error itself.
    """

    is_periodic: bool

    def upper(
        self, errors: Tensor, target: Tensor, area_weights: Tensor, valid: Tensor | None
    ) -> Tensor:
        sizes = [vector_norm(waves(f, self.is_periodic), dim=-1) for f in (errors + target, target)]
        cost = (sizes[0] - sizes[1]).square().sum(-1) / errors.shape[-1]
        total: Tensor = (cost[0] * _row_weights(area_weights, valid)).sum()
        return total

    def lower(self, shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
        return _row_weights(area_weights, valid).expand(shape[:-1]).sum()


def squared(errors: Tensor) -> Tensor:
    """(1, ...) → (...) squares of the errors of one forecast."""
    return errors.square()[0]


def _above_zero(lower: Tensor) -> Tensor:
    return lower.clamp(min=torch.finfo(lower.dtype).tiny)


def _row_weights(area_weights: Tensor, valid: Tensor | None) -> Tensor:
    """(h,), or (b, k, c, h), areas of rows, 0 of those that lack a cell."""
    weights = area_weights.mean(-1)
    return weights if valid is None else weights * valid.all(-1)


def area_weighted_mse(
    prediction: Tensor,
    target: Tensor,
    *,
    area_weights: Tensor,
    scale: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """Mean over windows, lead times and channels of the area-weighted squared error.

    Sum of v · w · ((prediction - target) / scale)² over sum of v · w, with w the cell areas over
    their mean, and v whether a cell is valid.

    Args:
        prediction: (b, k, c, h, w).
        target, area_weights, scale, valid: as for `Loss.upper`.

    Returns:
        A scalar; 1 for persistence at the first step, about; 0 where nothing is valid.
    """
    loss = Loss.of("mse")
    upper = loss.upper(
        prediction[None], target, area_weights=area_weights, scale=scale, valid=valid
    )
    lower = loss.lower(target.shape, area_weights=area_weights, valid=valid)
    return loss.value(upper, lower)


def _area_of(shape: torch.Size, area_weights: Tensor, valid: Tensor | None) -> Tensor:
    """Weights of all cells that are valid, added up, of targets (b, k, c, h, w)."""
    if valid is None:
        return shape[:-2].numel() * area_weights.sum()
    # Counted first: integers, and one field of them.
    return (valid.sum(tuple(range(valid.ndim - 2))) * area_weights).sum()
