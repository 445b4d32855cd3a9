"""Parts of the documentation that are written by programs, of what the programs say themselves."""
