"""The main job on a small data set, from nothing to a picture of predictions (``python -m cnsr.quickstart``)."""
