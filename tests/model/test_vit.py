"""The vision transformer, against torch's own encoder."""

import pytest
import torch
from einops import rearrange
from torch import nn

from axialcast.grid import LatLonGrid
from axialcast.model.vit import ViT

GRID = LatLonGrid.regular(num_latitudes=7, num_longitudes=12, poles=False)


def network_of(**settings) -> ViT:
    torch.manual_seed(5)
    settings = {"dim": 12, "depth": 2, "heads": 3, "patch": (1, 2, 3), **settings}
    return ViT(5, GRID, num_outputs=2, input_steps=2, **settings)


def test_blocks_are_those_of_torch() -> None:
    network = network_of()
    theirs = nn.ModuleList(
        nn.TransformerEncoderLayer(
            12, 3, 24, 0.0, "gelu", batch_first=True, norm_first=True, bias=True
        )
        for _ in network.blocks
    )
    with torch.no_grad():
        for ours, block in zip(network.blocks, theirs, strict=True):
            block.self_attn.in_proj_weight.copy_(ours.to_qkv.weight)
            block.self_attn.in_proj_bias.zero_()
            block.self_attn.out_proj.load_state_dict(ours.to_out.state_dict())
            block.linear1.load_state_dict(ours.perceptron[0].state_dict())
            block.linear2.load_state_dict(ours.perceptron[2].state_dict())
            block.norm1.load_state_dict(ours.norms[0].state_dict())
            block.norm2.load_state_dict(ours.norms[1].state_dict())
        network.head.project.weight.normal_()
    fields = torch.randn(3, 2, 5, 7, 12)
    tokens = rearrange(network.embed(fields), "b T H W d -> b (T H W) d") + network.position
    for block in theirs:
        tokens = block(tokens)
    latest = network.norm(tokens)[:, -16:].unflatten(1, (4, 4))
    torch.testing.assert_close(network(fields), network.head(latest), rtol=1e-4, atol=1e-5)


def test_zero_at_first_and_every_patch_sees_every_other() -> None:
    network = network_of()
    fields = torch.randn(1, 2, 5, 7, 12, requires_grad=True)
    assert not network(fields).any()
    nn.init.normal_(network.head.project.weight)
    network(fields)[0, 0, 0, 0].backward()
    assert fields.grad is not None
    assert (fields.grad.abs() > 0).all()


def test_patches_of_times_divide_them() -> None:
    assert network_of(patch=(2, 2, 3))(torch.zeros(1, 2, 5, 7, 12)).shape == (1, 2, 7, 12)
    with pytest.raises(ValueError, match="patch: 3 times do not divide input_steps=2"):
        network_of(patch=(3, 2, 2))
