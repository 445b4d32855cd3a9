"""Shuffled windows of states, at the speed of the decoder."""
