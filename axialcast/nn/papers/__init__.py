"""Layers of papers that forecasting does not use."""
