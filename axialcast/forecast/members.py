"""The members of an ensemble, and what makes each differ from the others."""

from dataclasses import dataclass

import xarray as xr

from axialcast.model.noise import drawn_for
from axialcast.names import NUMBER

__all__ = ["Member", "drawn_for", "member_in", "members_of"]

SEVERAL = 8
"""Members where any number would differ and none is asked for."""


@dataclass(frozen=True)
class Member:
    """One member: all of it but the initial time, which all members have in common.

    Args:
        number: of the member, from 0.
        network: which of the checkpoint's networks makes it.
        lag: model steps before the initial time that it starts.
        perturbation: of its initial states; 0: none.
        noise: number of the noise that its network is given; None: it is given none.
    """

    number: int = 0
    network: int = 0
    lag: int = 0
    perturbation: int = 0
    noise: int | None = None


def members_of(
    num_networks: int = 1,
    members: int | None = None,
    *,
    lagged: int = 0,
    is_perturbed: bool = False,
    is_noisy: bool = False,
) -> tuple[Member, ...]:
    """The members of a forecast, each unlike the others.

    Networks are dealt out in turn, then lags; every member has noise and a perturbation of its own
    where there are any. So the first members of an ensemble are those of a smaller one.

    Args:
        num_networks: of the checkpoint.
        members: how many; None: one for each network and lag, or eight where members are perturbed
            or given noise, if that is more.
        lagged: earlier initial times that members start from, too, a model step apart.
        is_perturbed: whether initial states are perturbed: of all but the first member.
        is_noisy: whether networks are given noise.

    Raises:
        ValueError: some would be equal.

    Example:
        >>> [(member.network, member.lag) for member in members_of(2, lagged=1)]
        [(0, 0), (1, 0), (0, 1), (1, 1)]
    """
    unlike = num_networks * (1 + lagged)
    is_random = is_perturbed or is_noisy
    if members is None:
        members = max(unlike, SEVERAL) if is_random else unlike
    if members > unlike and not is_random:
        raise ValueError(
            f"members: {members} would not differ, as {num_networks} networks from {1 + lagged} "
            f"initial times make {unlike}; ask for at most {unlike}, perturb them, or train more"
        )
    return tuple(
        Member(
            number,
            network=number % num_networks,
            lag=number // num_networks % (1 + lagged),
            perturbation=number if is_perturbed else 0,
            noise=number if is_noisy else None,
        )
        for number in range(members)
    )


def member_in(forecasts: xr.Dataset, number: int) -> xr.Dataset:
    """What a member takes of other forecasts: of an ensemble the member of its own number, counted
    from the first again where there are fewer."""
    if NUMBER not in forecasts.dims:
        return forecasts
    return forecasts.isel({NUMBER: number % forecasts.sizes[NUMBER]}, drop=True)
