"""Any store to an analysis in the names, units and order of the project."""
