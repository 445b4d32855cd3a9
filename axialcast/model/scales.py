"""What of errors is judged besides each cell: means of blocks of cells, and waves along rows.

Shapes: h latitudes, w longitudes, H, W blocks along them, n wave numbers.
"""

import math
from functools import lru_cache

import torch
from einops import reduce
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["block_sums", "waves"]


def block_sums(fields: Tensor, size: int) -> Tensor:
    """(..., h, w) → (..., H, W) sums over blocks of `size` by `size` cells from the first row and
    column on; those at the end hold what is left."""
    height, width = fields.shape[-2:]
    padded = pad(fields, (0, -width % size, 0, -height % size))
    return reduce(padded, "... (H p) (W q) -> ... H W", "sum", p=size, q=size)


def waves(rows: Tensor, is_periodic: bool) -> Tensor:
    """(..., w) → (..., n, 2) coefficients of rows in an orthonormal basis, by wave number.

    Of rows that close on themselves cosines and sines; of others cosines alone (the second is 0)
    that end level at both ends, so that what differs between the ends is not taken for small
    waves: the discrete cosine transform (Denis et al. 2002, "Spectral decomposition of
    two-dimensional atmospheric fields on limited-area domains", section 2).
    """
    basis = _basis(rows.shape[-1], is_periodic).to(rows.device, rows.dtype)
    return torch.einsum("...w, w n p -> ... n p", rows, basis)


@lru_cache(8)
def _basis(num: int, is_periodic: bool) -> Tensor:
    """(w, n, 2) orthonormal, but for columns of zeros."""
    count = num // 2 + 1 if is_periodic else num
    place, number = torch.arange(num, dtype=torch.float64), torch.arange(count)
    if is_periodic:
        angle = 2 * math.pi / num * place[:, None] * number
    else:
        angle = math.pi / num * (place[:, None] + 0.5) * number
    basis = torch.stack([angle.cos(), angle.sin() * is_periodic], -1)
    squares = basis.square().sum(0)
    found: Tensor = torch.where(squares > 1e-9, basis / squares.sqrt(), 0.0)
    return found
