"""What a file says becomes the project's: names, times, levels, units and order."""
