"""How each kind of store is opened raw: lazily, in its own names and units."""
