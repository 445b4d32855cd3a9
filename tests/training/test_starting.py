"""Parts that keep their weights, and a training that starts from others' and goes on."""

import pytest
import torch

from axialcast.forecast import load_checkpoint
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.model.freezing import freeze, parts_of
from axialcast.training import adamw


def network_of(**settings):
    grid = LatLonGrid.regular(6, 8, poles=False)
    return ForecastNetwork(num_channels=2, grid=grid, increment_scale=[1.0, 1.0], **settings)


def test_parts_are_those_that_readers_know():
    network = network_of(dim=8, depth=1, heads=2)
    parts = parts_of(network)
    assert list(parts) == ["embed", "features", "positions", "blocks", "norm", "head"]
    names = [name for names in parts.values() for name in names]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    assert list(parts_of(network_of(kind="unet", dim=8, depth=1)))[:2] == ["enter", "down"]


def test_frozen_parts_are_not_in_the_optimizer():
    network = network_of(dim=8, depth=1, heads=2)
    everything = sum(len(g["params"]) for g in adamw(network, weight_decay=0.1).param_groups)
    freeze(network, ["blocks"])
    optimizer = adamw(network, weight_decay=0.1)
    left = sum(len(group["params"]) for group in optimizer.param_groups)
    assert left == everything - len(parts_of(network)["blocks"])
    with pytest.raises(ValueError, match=r"names every part, .* leave one out"):
        freeze(network, list(parts_of(network)))


def test_rates_are_of_parameters():
    network = network_of(dim=8, depth=1, heads=2)
    rates = {"body.head.project.weight": 0.1, "body.head.project.bias": 0.1}
    groups = adamw(network, weight_decay=0.3, rates=rates).param_groups
    assert [(g["weight_decay"], g["rate"]) for g in groups] == [
        *((0.3, 1.0), (0.3, 0.1)),
        *((0.0, 1.0), (0.0, 0.1)),
    ]
    assert groups[1]["params"][0] is network.body.head.project.weight


@pytest.mark.parametrize("frozen", ["[embed,features,positions]", "[blocks]"])
def test_stopped_and_gone_on_from_a_checkpoint(runner, reference, same, tmp_path, frozen):
    """Two rates and frozen parts: the same bits, whether stopped or not."""
    known = f"train.start_from={reference}", f"train.freeze={frozen}", "train.carried_rate=0.3"
    runner(tmp_path / "whole", *known)
    for step in (3, 9):
        runner.stopped_at(step, tmp_path / "parts", *known)
    runner(tmp_path / "parts", *known)
    same(tmp_path / "parts", tmp_path / "whole")
    before, after = (
        load_checkpoint(path / "checkpoint").weights for path in (reference, tmp_path / "whole")
    )
    kept = [name for name, value in after.items() if torch.equal(value, before[name])]
    assert any(".transformer.layers." in name for name in kept) == (frozen == "[blocks]")
