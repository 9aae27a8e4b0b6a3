// Isotropic GGX microfacets and the Fresnel reflectance of a dielectric. Directions are in the local frame (z up).
#pragma once

#include "core/warp.h"

namespace rnd {

// Below this the distribution is narrower than single precision can follow; smoother surfaces behave like it.
inline constexpr float kMinAlpha = 0.001f;

// Unpolarised Fresnel reflectance for light in air that meets a dielectric of index `ior` at `cosine` >= 0.
RND_HD float fresnel_dielectric(float cosine, float ior) {
    const float c = clamp(cosine, 0.0f, 1.0f);
    const float sin2_inside = (1.0f - c * c) / (ior * ior);
    if (sin2_inside >= 1.0f) return 1.0f;
    const float inside = std::sqrt(1.0f - sin2_inside);
    const float parallel = (ior * c - inside) / (ior * c + inside);
    const float perpendicular = (c - ior * inside) / (c + ior * inside);
    return 0.5f * (parallel * parallel + perpendicular * perpendicular);
}

// Density of normals, per projected area (Walter et al. 2007). Sine and cosine come from the components, since
// 1 - cos^2 has no digits left for small alpha.
RND_HD float ggx_distribution(const Vec3& m, float alpha) {
    const float a2 = alpha * alpha;
    const float denominator = (m.x * m.x + m.y * m.y) / a2 + m.z * m.z;
    return m.z > 0.0f ? kInvPi / (a2 * denominator * denominator) : 0.0f;
}

// sqrt(cos^2 + alpha^2 sin^2), of which Smith's masking is made: G1 = 2 cos / (cos + s).
RND_HD float smith_root(const Vec3& w, float alpha) {
    return std::sqrt(w.z * w.z + alpha * alpha * (w.x * w.x + w.y * w.y));
}

// G1(w) / cos(w): finite at grazing angles. Masking and shadowing are taken for independent, G = G1(wo) G1(wi)
// (Walter et al. 2007).
RND_HD float smith_masking_over_cosine(const Vec3& w, float alpha) {
    return 2.0f / (w.z + smith_root(w, alpha));
}

// How far below the stretched view direction's opposite the caps of `sample_visible_normal` reach, as a share: the
// smallest cap that holds all reflections above the surface (Eto and Tokuyoshi, "Bounded VNDF Sampling for Smith-GGX
// Reflections", SIGGRAPH Asia 2023 Technical Communications, eq. 5).
RND_HD float cap_bound(const Vec3& wo, float alpha) {
    const float a2 = alpha * alpha;
    const float s2 = square(1.0f + std::sqrt(wo.x * wo.x + wo.y * wo.y));
    return (1.0f - a2) * s2 / (s2 + a2 * wo.z * wo.z);
}

// A normal visible from `wo`, by spherical caps (Dupuy and Benyoub, "Sampling Visible GGX Normals with Spherical
// Caps", 2023) that leave out most of the normals which reflect `wo` below the surface.
RND_HD Vec3 sample_visible_normal(const Vec3& wo, float alpha, const Vec2& u) {
    const Vec3 stretched = normalize(Vec3{wo.x * alpha, wo.y * alpha, wo.z});
    const DiskPoint disk = concentric_disk(u);
    const float lowest = cap_bound(wo, alpha) * stretched.z;
    const float z = 1.0f - disk.radius2 * (1.0f + lowest);
    const float sine = std::sqrt(clamp((1.0f - z) * (1.0f + z), 0.0f, 1.0f));
    const Vec3 half = Vec3{sine * disk.direction.x, sine * disk.direction.y, z} + stretched;
    return normalize_or({half.x * alpha, half.y * alpha, maximum(half.z, 0.0f)}, {0.0f, 0.0f, 1.0f});
}

// The density over solid angle of the reflections of `wo` about these normals is this times the normals' distribution,
// wherever they lie above the surface (eq. 8 there).
RND_HD float reflection_pdf_over_distribution(const Vec3& wo, float alpha) {
    return 0.5f / (cap_bound(wo, alpha) * wo.z + smith_root(wo, alpha));
}

}  // namespace rnd
