"""What a forecast holds while it goes to a store, beside the network and its activations."""

from axialcast.data.reader import Analysis
from axialcast.forecast.inputs import AHEAD_BYTES
from axialcast.forecast.layout import chunking, leads_together
from axialcast.forecast.writer import QUEUE, QUEUE_BYTES

__all__ = ["held_bytes"]


def held_bytes(
    analysis: Analysis,
    *,
    input_steps: int,
    num_leads: int,
    batch_size: int,
    num_members: int = 1,
    lagged: int = 0,
    is_perturbed: bool = False,
) -> int:
    """Memory of the states of a batch of initial times, which does not grow with their number.

    Args:
        analysis: that the forecasts begin with, of the network's channels.
        input_steps: states that the network is given.
        num_leads: lead times of a forecast.
        batch_size: initial times that are computed together.
        num_members: of an ensemble, which are computed one after the other.
        lagged: earlier initial times that they start from, too.
        is_perturbed: whether their states are.
    """
    together = leads_together([chunking((1, num_leads, *analysis.shape[1:]))], num_leads)
    batch = batch_size * analysis.state_bytes
    waiting = max(QUEUE * together * batch, QUEUE_BYTES)
    ahead = min(AHEAD_BYTES, (analysis.chunk - 1) * analysis.state_bytes)
    # The inputs as read and put together, and what comes later once more as it is copied; or the
    # inputs, those of the next step, what follows them, and a part.
    # Of several members, what all start from beside the copies that each makes.
    starts = 2 + lagged + (num_members > 1) + is_perturbed
    return starts * input_steps * batch + waiting + ahead + max(ahead, (1 + together) * batch)
