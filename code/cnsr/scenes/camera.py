"""Camera matrices and poses.

Conventions: the world is right-handed with +y up; a camera looks along its own -z with its own +y up (OpenGL).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_UP = np.array([0.0, 1.0, 0.0])
# Sine of the angle to the vertical below which "up" no longer tells the side of the camera.
_VERTICAL = 1e-6


def view_matrix(position: Sequence[float], lookat: Sequence[float]) -> NDArray[np.float64]:
    """Return the world-to-camera matrix of a camera at `position` that looks at `lookat`.

    Its rows are (side, up, -forward) with the translation in the last column: ``p_camera = M @ [p_world, 1]``.
    A camera that looks straight up or down has +x as its side, which is the limit of tilting a camera that looked
    along -z.

    Args:
        position: world position of the camera, 3 numbers.
        lookat: world position of the middle of the image, 3 numbers, not equal to `position`.

    Returns:
        float64 [4, 4].

    Raises:
        ValueError: `position` equals `lookat`.
    """
    origin = np.asarray(position, dtype=np.float64)
    forward = np.asarray(lookat, dtype=np.float64) - origin
    # Scaling by the largest component first keeps the squares of tiny or huge distances in range.
    largest = np.abs(forward).max()
    if not largest > 0.0:
        raise ValueError("a camera cannot look at its own position")
    forward = forward / largest
    forward /= np.linalg.norm(forward)

    side = _cross(forward, _UP)
    sine = np.linalg.norm(side)
    side = side / sine if sine > _VERTICAL else np.array([1.0, 0.0, 0.0])
    up = _cross(side, forward)
    up /= np.linalg.norm(up)
    side = _cross(forward, up)

    matrix = np.eye(4)
    matrix[:3, :3] = side, up, -forward
    matrix[:3, 3] = -matrix[:3, :3] @ origin
    return matrix


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``np.cross(a, b)``, bit for bit; that takes ten times as long for two vectors."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def pose_from_view_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """Flatten world-to-camera matrices to the poses that networks see.

    The order is column by column, (side.x, up.x, -forward.x, 0, side.y, ..., t.x, t.y, t.z, 1); published
    checkpoints depend on it.

    Args:
        matrix: [..., 4, 4], as of ``view_matrix``.

    Returns:
        float64 [..., 16].
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2)).reshape(*matrix.shape[:-2], 16)


def view_matrix_from_pose(pose: ArrayLike) -> NDArray[np.float64]:
    """Return the world-to-camera matrices [..., 4, 4] of poses [..., 16]: ``pose_from_view_matrix`` undone."""
    pose = np.asarray(pose, dtype=np.float64)
    matrix = np.swapaxes(pose.reshape(*pose.shape[:-1], 4, 4), -1, -2)
    return np.ascontiguousarray(matrix)
