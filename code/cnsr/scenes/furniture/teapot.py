"""The Utah teapot in porcelain: each of its parts a closed surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnsr.scenes import teapot as newell
from cnsr.scenes.furniture.curves import arc_lengths
from cnsr.scenes.furniture.piece import Bounds, Furniture, Parts, ranged, standing
from cnsr.scenes.furniture.solids import tube
from cnsr.scenes.furniture.surface import Array, Surface, joined

_SEGMENTS = 12  # of each patch, in both directions
# Of the control points: from the handle's to the spout's end, top of the lid's knob, around the body.
_LENGTH, _HEIGHT, _WIDTH = 6.4278, 3.15, 4.0


@dataclass(frozen=True)
class Teapot(Furniture):
    """Martin Newell's teapot (``cnsr.scenes.teapot``), the spout towards +x."""

    kind = "teapot"
    parts = ("china",)

    width: float = ranged(0.25, 0.21, 0.29)
    stretch: float = ranged(1.0, 0.85, 1.25)

    def bounds(self) -> Bounds:
        """Return the box around the teapot; `stretch` is that of its height."""
        scale = self.width / _LENGTH
        return standing(self.width, self.stretch * _HEIGHT * scale, _WIDTH * scale)

    def shape(self) -> Parts:
        """Return the teapot."""
        scale = self.width / _LENGTH
        scales = scale * np.array((1.0, self.stretch, 1.0))
        parts = {name: scales * _rings(patches) for name, patches in newell.parts().items()}
        # Lid and body share the ring between them, and their poles are points.
        body = np.concatenate([parts["body"], parts["lid"][1:]])
        poles = body[[0, -1]].mean(axis=1)
        surfaces = [_closed(body[1:-1], poles)]
        # The handle's ends and the spout's root are inside the body; the spout is closed just below its lip.
        surfaces += [_closed(parts[name], parts[name][[0, -1]].mean(axis=1)) for name in ("handle", "spout")]
        return {"china": joined(surfaces)}


def _rings(patches: Array) -> Array:
    """Return the rings [R, S, 3] of patches [A, B, 4, 4, 3] that are A around and B along, with y up."""
    t = np.linspace(0.0, 1.0, _SEGMENTS + 1)
    points = np.array([[newell.evaluate(patch, t, t)[0] for patch in column] for column in patches])
    # [A, B, U, V, 3]: what neighbors share is kept once.
    rings = points[:, :, :-1, :-1].transpose(1, 3, 0, 2, 4).reshape(-1, len(patches) * _SEGMENTS, 3)
    last = points[:, -1, :-1, -1].reshape(1, -1, 3)
    x, y, z = np.moveaxis(np.concatenate([rings, last]), -1, 0)
    return np.stack([x, z, -y], axis=-1)


def _closed(rings: Array, ends: Array) -> Surface:
    widest = rings[np.ptp(rings, axis=1).max(axis=-1).argmax()]
    around = arc_lengths(np.concatenate([widest, widest[:1]]))
    return tube(rings, around, arc_lengths(rings[:, 0]), ends)
