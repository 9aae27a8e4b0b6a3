"""The material model of the renderer's specification in plain double precision.

With s = 1 - (roughness - 0.05) / 0.95 the reflectance is (1 - s) Lambert(color) + s GGX (Walter et al. 2007,
alpha = roughness squared), Smith's masking of either direction on its own, Fresnel of a dielectric.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def specular_share(roughness: float) -> float:
    """Return s: how much of the reflectance is the GGX lobe."""
    return float(np.clip(1 - (roughness - 0.05) / 0.95, 0, 1))


def ggx(normals: Floats, alpha: float) -> Floats:
    """Return the GGX density of microfacet normals [n, 3] (per projected area)."""
    slope = normals[:, 0] ** 2 + normals[:, 1] ** 2 + alpha**2 * normals[:, 2] ** 2
    return np.where(normals[:, 2] > 0, alpha**2 / (np.pi * slope**2), 0.0)


def smith_lambda(directions: Floats, alpha: float) -> Floats:
    """Return Smith's auxiliary function of directions [n, 3]: masking G1 = 1 / (1 + lambda)."""
    tangent2 = (directions[:, 0] ** 2 + directions[:, 1] ** 2) / directions[:, 2] ** 2
    return (np.sqrt(1 + alpha**2 * tangent2) - 1) / 2


def visible_normal_density(wo: Floats, normals: Floats, alpha: float) -> Floats:
    """Return the density of normals seen from wo [3] (Heitz 2018, eq. 3), per solid angle."""
    masking = 1 / (1 + smith_lambda(wo[None], alpha))
    facing = np.maximum(normals @ wo, 0)
    return masking * facing * ggx(normals, alpha) / wo[2]


def stretched_reflections(wo: Floats, normals: Floats, alpha: float) -> tuple[Floats, float]:
    """Return heights [n] of reflections in the space where the surface is a hemisphere, and the least of a cap.

    There visible normals are halfway between the stretched wo and directions that are even over a cap of the sphere
    (Dupuy and Benyoub 2023); the cap ends at the second value, minus k z of Eto and Tokuyoshi 2023 (eq. 5).
    """
    stretched = wo * [alpha, alpha, 1]
    stretched /= np.linalg.norm(stretched)
    halves = normals / [alpha, alpha, 1]
    halves /= np.linalg.norm(halves, axis=1, keepdims=True)
    heights = 2 * (halves @ stretched) * halves[:, 2] - stretched[2]
    s2 = (1 + np.hypot(wo[0], wo[1])) ** 2
    bound = (1 - alpha**2) * s2 / (s2 + alpha**2 * wo[2] ** 2)
    return heights, float(-bound * stretched[2])


def bounded_normal_density(wo: Floats, normals: Floats, alpha: float) -> Floats:
    """Return the density of visible normals of a bounded cap: that of all, scaled to the cap, and 0 beyond it."""
    heights, least = stretched_reflections(wo, normals, alpha)
    stretched_cosine = wo[2] / np.linalg.norm(wo * [alpha, alpha, 1])
    share = (1 - least) / (1 + stretched_cosine)
    return np.where(heights >= least, visible_normal_density(wo, normals, alpha) / share, 0.0)


def fresnel(cosine: Floats, ior: float) -> Floats:
    """Return the unpolarized reflectance of a dielectric interface, seen from its thinner side."""
    transmitted = np.sqrt(np.maximum(0, 1 - (1 - cosine**2) / ior**2))
    parallel = (ior * cosine - transmitted) / (ior * cosine + transmitted)
    perpendicular = (cosine - ior * transmitted) / (cosine + ior * transmitted)
    return (parallel**2 + perpendicular**2) / 2


def reflectance_cosine(wo: npt.ArrayLike, wi: npt.ArrayLike, albedo: float, roughness: float, ior: float) -> Floats:
    """Return f(wo, wi) cos(wi) for one wo [3] and many wi [n, 3] about the normal +z; 0 below the surface."""
    out, into = np.asarray(wo, np.float64), np.atleast_2d(np.asarray(wi, np.float64))
    share = specular_share(roughness)
    above = into[:, 2] > 1e-12
    into = np.where(above[:, None], into, [0.0, 0.0, 1.0])
    half = out + into
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    alpha = roughness**2
    masking = 1 / (1 + smith_lambda(out[None], alpha)) / (1 + smith_lambda(into, alpha))
    lobe = fresnel(half @ out, ior) * ggx(half, alpha) * masking / (4 * out[2])
    diffuse = albedo / np.pi * into[:, 2]
    return np.where(above, (1 - share) * diffuse + share * lobe, 0.0)
