import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


@pytest.fixture(scope="session")
def solid_volumes():
    """Return a function: volumes of the separate solids of a surface, after checking that each is closed.

    An edge of a closed, consistently wound surface is run through as often in one direction as in the other.
    """

    def volumes(positions, triangles):
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
        count = len(positions)
        there, back = edges @ (count, 1), edges @ (1, count)
        assert (np.sort(there) == np.sort(back)).all(), "a gap, or neighbors that are wound differently"
        links = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
        _, solid = connected_components(links, directed=False)
        a, b, c = np.moveaxis(positions[triangles], 1, 0)
        share = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
        used = np.unique(solid[triangles[:, 0]], return_inverse=True)[1]
        return np.bincount(used, weights=share)

    return volumes


@pytest.fixture(scope="session")
def welded():
    """Return a function: distinct positions of a mesh and its triangles among them."""

    def weld(mesh):
        positions, index = np.unique(mesh.positions, axis=0, return_inverse=True)
        return positions.astype(np.float64), index.reshape(-1)[mesh.triangles]

    return weld
