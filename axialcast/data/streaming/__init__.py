"""From a stored analysis to batches of windows, decoded and normalised once."""
