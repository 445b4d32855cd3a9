"""The embedded planet: weather to try everything on, computed from first principles."""
