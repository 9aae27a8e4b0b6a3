"""Furniture that is made by formulas: a mesh kit, one file per class of piece, and a catalog of them."""
