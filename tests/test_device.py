"""Which device a process computes on."""

import pytest
import torch

from axialcast.device import choose_device


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(("local_rank", "index"), [(0, 0), (1, 1), (2, 0), (3, 1)])
@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.usefixtures("two_gpus")
def test_processes_of_a_host_share_its_gpus_out(name, local_rank, index, monkeypatch):
    said = {"RANK": 4 + local_rank, "WORLD_SIZE": 8, "LOCAL_RANK": local_rank}
    for variable, value in {**said, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(variable, str(value))
    assert choose_device(name) == torch.device("cuda", index)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("two_gpus")
def test_one_process_takes_the_current_gpu():
    assert choose_device() == torch.device("cuda")
    with pytest.raises(ValueError, match=r"cuda:2.*this machine has 2"):
        choose_device("cuda:2")
