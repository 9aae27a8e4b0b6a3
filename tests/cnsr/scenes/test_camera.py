"""Camera matrices: handedness, limits, order of the pose."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnsr.scenes.camera import pose_from_view_matrix, view_matrix, view_matrix_from_pose

COORDINATES = st.tuples(*[st.floats(-100, 100)] * 3)


def test_a_camera_on_the_z_axis_sees_the_world_as_it_is():
    matrix = view_matrix((0, 0, 5), (0, 0, 0))
    expected = np.eye(4)
    expected[2, 3] = -5
    np.testing.assert_array_equal(matrix, expected)


def test_right_is_right_and_up_is_up():
    # From the front, looking along -x: the camera's right is -z.
    matrix = view_matrix((2, 1, 0), (0, 1, 0))
    np.testing.assert_allclose(matrix @ (0, 1, -1, 1), (1, 0, -2, 1), atol=1e-15)
    np.testing.assert_allclose(matrix @ (0, 2, 0, 1), (0, 1, -2, 1), atol=1e-15)


@given(COORDINATES, COORDINATES)
def test_any_camera_is_a_rigid_motion_that_looks_along_its_own_minus_z(position, lookat):
    distance = np.linalg.norm(np.subtract(lookat, position))
    assume(distance > 1e-3)
    matrix = view_matrix(position, lookat)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    np.testing.assert_array_equal(matrix[3], (0, 0, 0, 1))
    np.testing.assert_allclose(matrix @ (*position, 1), (0, 0, 0, 1), atol=1e-10)
    np.testing.assert_allclose(matrix @ (*lookat, 1), (0, 0, -distance, 1), atol=1e-4)
    assert matrix[1, 1] >= -1e-6, "the camera is not upside down (that close to the vertical, +x is its side)"


@pytest.mark.parametrize(("direction", "up"), [(-1, (0, 0, -1)), (1, (0, 0, 1))])
def test_straight_up_and_down_is_the_limit_of_tilting(direction, up):
    straight = view_matrix((1, 2, 3), (1, 2 + direction, 3))
    np.testing.assert_array_equal(straight[0, :3], (1, 0, 0))
    np.testing.assert_array_equal(straight[1, :3], up)
    tilted = view_matrix((1, 2, 3), (1, 2 + direction, 3 - 1e-4))
    np.testing.assert_allclose(straight, tilted, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e18, 1e200])
def test_distances_of_any_size_give_a_finite_matrix(scale):
    np.testing.assert_allclose(view_matrix((0, 0, 0), (scale, 0, 0))[:3, :3], view_matrix((0, 0, 0), (1, 0, 0))[:3, :3])


def test_a_camera_cannot_look_at_itself():
    with pytest.raises(ValueError, match="its own position"):
        view_matrix((1, 2, 3), (1, 2, 3))


def test_the_pose_is_the_matrix_column_by_column():
    matrix = view_matrix((1, 2, 3), (0, 0.5, -1))
    pose = pose_from_view_matrix(matrix)
    side, up, back, shift = matrix[0, :3], matrix[1, :3], matrix[2, :3], matrix[:3, 3]
    expected = [[side[i], up[i], back[i], 0] for i in range(3)]
    np.testing.assert_array_equal(pose, np.concatenate([*expected, [*shift, 1]]))


def test_poses_of_many_views_go_there_and_back():
    matrices = np.stack([view_matrix((1, 2, 3 + i), (0, 0, -i)) for i in range(6)]).reshape(2, 3, 4, 4)
    poses = pose_from_view_matrix(matrices)
    assert poses.shape == (2, 3, 16)
    np.testing.assert_array_equal(view_matrix_from_pose(poses), matrices)
    np.testing.assert_array_equal(poses[1, 2], pose_from_view_matrix(matrices[1, 2]))
