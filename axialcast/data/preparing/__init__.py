"""From any analysis to a training store."""
