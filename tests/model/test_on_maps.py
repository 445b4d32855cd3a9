"""What a network is told of places on a map: those that PROJ says, of patches and of bands."""

import numpy as np
import torch

from axialcast.grid import ProjectedGrid
from axialcast.grid.proj import pyproj
from axialcast.model import ForecastNetwork
from axialcast.model.embedding import SphereFeatures
from axialcast.model.sun import FORCINGS, sun

CODE = "EPSG:3413"
GRID = ProjectedGrid(
    np.arange(7) * -4e5 + 9e5, np.arange(10) * 4e5 - 2e6, pyproj().CRS(CODE).to_cf()
)
NAME = "cosine_of_solar_zenith_angle"


def features() -> SphereFeatures:
    found = SphereFeatures(GRID, 10, patch=(2, 3))
    with torch.no_grad():
        found.project.weight.copy_(torch.eye(10))
        found.project.bias.zero_()
    return found


def test_patches_lie_where_proj_puts_their_centres():
    """The last row and columns of patches reach beyond the grid, at its spacing."""
    y, x = 7e5 - 8e5 * np.arange(4), -1.6e6 + 12e5 * np.arange(4)
    longitude, latitude = pyproj().Proj(CODE)(*np.meshgrid(x, y), inverse=True)
    out = features()(torch.tensor([[[0.25, 0.5]]]))[0, 0].detach().numpy()
    np.testing.assert_allclose(out[..., 0], np.sin(np.radians(latitude)), atol=1e-6)
    np.testing.assert_allclose(out[..., 2], np.sin(np.radians(longitude)), atol=1e-6)
    noon = np.radians(180 + longitude)  # half a day, and what the clock is ahead there
    np.testing.assert_allclose(out[..., 8], np.sin(noon), atol=1e-5)
    np.testing.assert_allclose(out[..., 9], np.cos(noon), atol=1e-5)


def test_a_band_has_the_features_of_its_rows():
    whole, band = features(), features()
    band.band = slice(1, 3)
    dates = torch.rand(2, 3, 2)
    torch.testing.assert_close(band(dates), whole(dates)[:, :, 1:3])


def test_the_sun_of_every_cell():
    network = ForecastNetwork(
        num_channels=1, grid=GRID, increment_scale=[1.0], dim=8, depth=1, heads=2, forcings=[NAME]
    )
    now = torch.tensor(sun(np.array([[np.datetime64("2001-05-04T09", "ns")] * 2]))).float()
    dates = torch.cat([torch.zeros(1, 2, 2), now], -1)
    (told,) = network.told(torch.zeros(1, 2, 1, *GRID.shape), dates)
    places = (torch.tensor(np.radians(of)).float() for of in (GRID.latitudes, GRID.longitudes))
    torch.testing.assert_close(told[:, :, 0], FORCINGS[NAME](now, *places))
    network._band = slice(2, 4)
    (part,) = network.told(torch.zeros(1, 2, 1, 2, GRID.shape[1]), dates)
    torch.testing.assert_close(part, told[..., 2:4, :])
