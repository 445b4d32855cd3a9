"""From a trained network to one of other data: the weights that another network begins with."""

from axialcast.transfer.taking_over import TakenOver, taken_over

__all__ = ["TakenOver", "taken_over"]
