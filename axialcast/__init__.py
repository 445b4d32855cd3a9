"""axialcast: weather forecasting with axial attention."""
