// Isotropic GGX microfacets and the Fresnel reflectance of a dielectric. Directions are in the local frame (z up).
#pragma once

#include "core/warp.h"

namespace rnd {

// Below this the distribution is narrower than single precision can follow; smoother surfaces behave like it.
inline constexpr float kMinAlpha = 0.001f;

// Unpolarised Fresnel reflectance for light in air that meets a dielectric of index `ior` at `cosine` >= 0.
template <class F>
RND_HD F fresnel_dielectric(const F& cosine, const F& ior) {
    const F c = clamp(cosine, 0.0f, 1.0f);
    const F sin2_inside = (1.0f - c * c) / (ior * ior);
    const F inside = square_root(F(1.0f - sin2_inside));
    const F parallel = (ior * c - inside) / (ior * c + inside);
    const F perpendicular = (c - ior * inside) / (c + ior * inside);
    const F reflectance = 0.5f * (parallel * parallel + perpendicular * perpendicular);
    return select(MaskOf<F>(sin2_inside < 1.0f), reflectance, spread<F>(1.0f));
}

// Density of normals, per projected area (Walter et al. 2007). Sine and cosine come from the components, since
// 1 - cos^2 has no digits left for small alpha.
template <class F>
RND_HD F ggx_distribution(const Vector3<F>& m, const F& alpha) {
    const F a2 = alpha * alpha;
    const F denominator = (m.x * m.x + m.y * m.y) / a2 + m.z * m.z;
    return select(MaskOf<F>(m.z > 0.0f), F(kInvPi / (a2 * denominator * denominator)), F{});
}

// sqrt(cos^2 + alpha^2 sin^2), of which Smith's masking is made: G1 = 2 cos / (cos + s).
template <class F>
RND_HD F smith_root(const Vector3<F>& w, const F& alpha) {
    return square_root(F(w.z * w.z + alpha * alpha * (w.x * w.x + w.y * w.y)));
}

// G1(w) / cos(w): finite at grazing angles. Masking and shadowing are taken for independent, G = G1(wo) G1(wi)
// (Walter et al. 2007).
template <class F>
RND_HD F smith_masking_over_cosine(const Vector3<F>& w, const F& alpha) {
    return 2.0f / (w.z + smith_root(w, alpha));
}

// How far below the stretched view direction's opposite the caps of `sample_visible_normal` reach, as a share: the
// smallest cap that holds all reflections above the surface (Eto and Tokuyoshi, "Bounded VNDF Sampling for Smith-GGX
// Reflections", SIGGRAPH Asia 2023 Technical Communications, eq. 5).
template <class F>
RND_HD F cap_bound(const Vector3<F>& wo, const F& alpha) {
    const F a2 = alpha * alpha;
    const F s2 = square(F(1.0f + square_root(F(wo.x * wo.x + wo.y * wo.y))));
    return (1.0f - a2) * s2 / (s2 + a2 * wo.z * wo.z);
}

// A normal visible from `wo`, by spherical caps (Dupuy and Benyoub, "Sampling Visible GGX Normals with Spherical
// Caps", 2023) that leave out most of the normals which reflect `wo` below the surface.
template <class F>
RND_HD Vector3<F> sample_visible_normal(const Vector3<F>& wo, const F& alpha, const Vector2<F>& u) {
    const Vector3<F> stretched = normalize(Vector3<F>{wo.x * alpha, wo.y * alpha, wo.z});
    const DiskPoint<F> disk = concentric_disk(u);
    const F lowest = cap_bound(wo, alpha) * stretched.z;
    const F z = 1.0f - disk.radius2 * (1.0f + lowest);
    const F sine = square_root(clamp(F((1.0f - z) * (1.0f + z)), 0.0f, 1.0f));
    const Vector3<F> half = Vector3<F>{sine * disk.direction.x, sine * disk.direction.y, z} + stretched;
    return normalize_or(Vector3<F>{half.x * alpha, half.y * alpha, maximum(half.z, F{})},
                        spread<F>(Vec3{0.0f, 0.0f, 1.0f}));
}

// The density over solid angle of the reflections of `wo` about these normals is this times the normals' distribution,
// wherever they lie above the surface (eq. 8 there).
template <class F>
RND_HD F reflection_pdf_over_distribution(const Vector3<F>& wo, const F& alpha) {
    return 0.5f / (cap_bound(wo, alpha) * wo.z + smith_root(wo, alpha));
}

}  // namespace rnd
