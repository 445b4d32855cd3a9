"""From windows to a trained network: the task, the loop, and what is saved to go on from."""

from axialcast.training.blending import Blending
from axialcast.training.ensemble import Ensemble
from axialcast.training.input_noise import InputNoise
from axialcast.training.judging import Judging, judged_windows
from axialcast.training.log import Log
from axialcast.training.loop import Training
from axialcast.training.optimization import adamw, learning_rate, muon
from axialcast.training.parallel import Processes
from axialcast.training.random_states import member_seed, seed_rank
from axialcast.training.saving import Saving
from axialcast.training.state import SavedState, machine, newest_state
from axialcast.training.task import ForecastTask

__all__ = [
    "Blending",
    "Ensemble",
    "ForecastTask",
    "InputNoise",
    "Judging",
    "Log",
    "Processes",
    "SavedState",
    "Saving",
    "Training",
    "adamw",
    "judged_windows",
    "learning_rate",
    "machine",
    "member_seed",
    "muon",
    "newest_state",
    "seed_rank",
]
