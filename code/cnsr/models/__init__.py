"""Networks: encoders, partition of the representation, generators, losses, and the model that joins them."""
