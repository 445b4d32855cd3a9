"""Configs, stages and the command: what makes a run of the library's parts."""
