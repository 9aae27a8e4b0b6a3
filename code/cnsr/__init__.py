"""Compositional neural scene representations for shading inference.

Conventions that hold everywhere (one page of them: ``docs/conventions.md``):

* Images are ``[..., C, H, W]`` in tensors and ``[H, W, C]`` in NumPy; row 0 is the top.
* Radiance is linear, scene-referred RGB. "Display-referred" means clamped to [0, 1] and sRGB-encoded.
* The world is right-handed with +y up, lengths are metres; a camera looks along its own -z.
* A *pose* is the 4x4 world-to-camera matrix flattened column by column to 16 numbers.
"""

__version__ = "0.1.0"
