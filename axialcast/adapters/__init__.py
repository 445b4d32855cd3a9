"""Trained networks as models of other packages, by their protocols and without importing them."""
