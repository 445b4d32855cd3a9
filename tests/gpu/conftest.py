"""A GPU, for what a CPU cannot show: pytest -n 0 -m gpu -rs"""

from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA GPU on this machine")
    return torch.device("cuda", torch.cuda.current_device())
