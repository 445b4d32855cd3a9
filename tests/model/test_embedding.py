"""Patches keep every value in its place; features know where and when."""

import numpy as np
import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model.embedding import PatchEmbedding, PatchHead, SphereFeatures, num_patches


@pytest.mark.parametrize("is_periodic", [True, False])
def test_embedding_is_a_strided_convolution_over_the_padded_grid(is_periodic):
    states = torch.randn(2, 6, 5, 7, 11, dtype=torch.float64)
    embed = PatchEmbedding(5, 13, patch=(3, 2, 4), is_periodic=is_periodic).double()
    padded = torch.cat([states, states[..., -1:, :]], -2)
    east = padded[..., :1] if is_periodic else padded[..., -1:]
    padded = torch.cat([padded, east], -1)
    kernel = embed.project.weight.reshape(13, 3, 5, 2, 4).transpose(1, 2)
    want = torch.nn.functional.conv3d(
        padded.transpose(1, 2), kernel, embed.project.bias, stride=(3, 2, 4)
    )
    torch.testing.assert_close(embed(states), want.movedim(1, -1))
    assert num_patches((6, 7, 11), (3, 2, 4)) == (2, 4, 3)


def test_head_inverts_the_order_of_patches():
    fields = torch.randn(2, 3, 7, 11)
    embed = PatchEmbedding(3, 24, patch=(1, 2, 4), is_periodic=True)
    head = PatchHead(24, 3, patch=(2, 4), shape=(7, 11))
    with torch.no_grad():
        embed.project.weight.copy_(torch.eye(24))
        head.project.weight.copy_(torch.eye(24))
        embed.project.bias.zero_()
    torch.testing.assert_close(head(embed(fields[:, None])[:, 0]), fields)


def test_features_follow_the_sun():
    """Noon at Greenwich, and a quarter of a turn east, where it is six hours later."""
    grid = LatLonGrid([45.0, -45.0], [0.0, 90.0, 180.0, 270.0])
    features = SphereFeatures(grid, 10, patch=(1, 1)).double()
    with torch.no_grad():
        features.project.weight.copy_(torch.eye(10))
        features.project.bias.zero_()
    out = features(torch.tensor([[[0.25, 0.5]]], dtype=torch.float64))[0, 0]
    half = np.sqrt(0.5)
    noon = [half, half, 0, 1, 1, 0, half, 0, 0, -1]
    six_pm_south = [-half, half, 1, 0, 1, 0, -half, 0, -1, 0]
    torch.testing.assert_close(out[0, 0], torch.tensor(noon).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(out[1, 1], torch.tensor(six_pm_south).double(), atol=1e-6, rtol=0)


def test_features_of_patches_lie_at_their_centres():
    grid = LatLonGrid.regular(6, 8, poles=False)
    coarse = LatLonGrid.regular(3, 4, poles=False)
    centres = SphereFeatures(grid, 3, patch=(2, 2))
    np.testing.assert_allclose(
        centres.place[:, 0, 0].numpy(), np.sin(np.radians(coarse.latitude)), atol=1e-6
    )
    np.testing.assert_allclose(
        centres.longitude[0].numpy() * 360, coarse.longitude + 22.5, atol=1e-4
    )
