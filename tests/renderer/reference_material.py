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
