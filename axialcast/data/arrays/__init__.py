"""Stored arrays: each kind of store as an array whose chunks are decoded directly and once."""
