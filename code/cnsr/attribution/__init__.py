"""Gradient x input attributions: what in its inputs an output of the networks rests on."""
