"""From a trained network to one of other data: the weights that another network begins with."""

from axialcast.transfer.axial import WIDTHS
from axialcast.transfer.taking_over import TakenOver, refuse_unlike, taken_over

__all__ = ["WIDTHS", "TakenOver", "refuse_unlike", "taken_over"]
