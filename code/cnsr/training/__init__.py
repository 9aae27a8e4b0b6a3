"""Training: the loop, checkpoints, metrics, what is logged, and evaluation on held-out scenes."""
