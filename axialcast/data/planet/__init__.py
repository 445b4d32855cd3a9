"""A quasi-geostrophic planet with weather of its own."""
