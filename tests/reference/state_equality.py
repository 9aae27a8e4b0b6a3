"""Whether two saved states are the same to the bit."""

import torch


def same(first, second):
    """Tell whether nested dicts and lists of tensors and plain values are equal."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second
