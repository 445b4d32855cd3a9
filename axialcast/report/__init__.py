"""A page of scores and maps, for people; the only place that draws."""
