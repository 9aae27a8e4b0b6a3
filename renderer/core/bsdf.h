// The one surface model: a blend of Lambert and white GGX reflection. Directions are in the local frame (z = normal)
// and point away from the surface.
#pragma once

#include "core/microfacet.h"

namespace rnd {

template <class F>
struct Bsdf {
    Vector3<F> diffuse;  // (1 - s) * albedo
    F specular{};        // s
    F alpha{};           // roughness^2
    F ior{};
};

// s = 1 - (roughness - 0.05) / 0.95, clamped: a surface is a mirror at 0.05 and below, and matt at 1.
template <class F>
RND_HD F specular_share(const F& roughness) {
    return 1.0f - clamp(F((roughness - 0.05f) / 0.95f), 0.0f, 1.0f);
}

template <class F>
RND_HD Bsdf<F> make_bsdf(const Vector3<F>& albedo, const F& roughness, const F& ior) {
    const F s = specular_share(roughness);
    return {albedo * F(1.0f - s), s, clamp(F(roughness * roughness), kMinAlpha, 1.0f), ior};
}

// Both lobes of f(wo, wi) cos(wi), and the density with which `sample_bsdf` chooses wi.
template <class F>
struct BsdfValue {
    Vector3<F> diffuse;
    F specular{};
    F pdf{};

    RND_HD Vector3<F> total() const { return diffuse + Vector3<F>{specular, specular, specular}; }
};

// How often sampling picks the specular lobe: its share of the light that the surface reflects towards wo.
template <class F>
RND_HD F specular_probability(const Bsdf<F>& bsdf, const Vector3<F>& wo) {
    const MaskOf<F> shiny = bsdf.specular != 0.0f;
    if (none(shiny)) return F{};
    const F specular = bsdf.specular * fresnel_dielectric(wo.z, bsdf.ior);
    const F diffuse = (bsdf.diffuse.x + bsdf.diffuse.y + bsdf.diffuse.z) * (1.0f / 3.0f);
    const F sum = specular + diffuse;
    return select(MaskOf<F>(shiny & (sum > 0.0f)), F(specular / sum), F{});
}

template <class F>
RND_HD BsdfValue<F> evaluate_bsdf(const Bsdf<F>& bsdf, const F& p_specular, const Vector3<F>& wo,
                                  const Vector3<F>& wi) {
    BsdfValue<F> value;
    const MaskOf<F> above = (wo.z > 0.0f) & (wi.z > 0.0f);
    const F lambert = select(above, F(wi.z * kInvPi), F{});
    value.diffuse = bsdf.diffuse * lambert;
    value.pdf = (1.0f - p_specular) * lambert;
    const MaskOf<F> shiny = above & (p_specular > 0.0f);
    if (any(shiny)) {
        const Vector3<F> m = normalize_or(wo + wi, spread<F>(Vec3{0.0f, 0.0f, 1.0f}));
        const F d = ggx_distribution(m, bsdf.alpha);
        const F fresnel = fresnel_dielectric(dot(wo, m), bsdf.ior);
        const F masking = smith_masking_over_cosine(wo, bsdf.alpha) * smith_masking_over_cosine(wi, bsdf.alpha);
        const F pdf = p_specular * d * reflection_pdf_over_distribution(wo, bsdf.alpha);
        value.specular = select(shiny, F(bsdf.specular * fresnel * d * masking * 0.25f * wi.z), F{});
        value.pdf += select(shiny, pdf, F{});
    }
    return value;
}

template <class F>
struct BsdfSample {
    Vector3<F> wi;
    BsdfValue<F> value;  // value.pdf is 0 where the sample leads nowhere
};

// `u_lobe` picks the lobe, `u` the direction.
template <class F>
RND_HD BsdfSample<F> sample_bsdf(const Bsdf<F>& bsdf, const F& p_specular, const Vector3<F>& wo, const F& u_lobe,
                                 const Vector2<F>& u) {
    BsdfSample<F> sample;
    const MaskOf<F> shiny = u_lobe < p_specular;
    sample.wi = sample_cosine_hemisphere(u);
    if (any(shiny)) sample.wi = select(shiny, reflect(wo, sample_visible_normal(wo, bsdf.alpha, u)), sample.wi);
    sample.value = evaluate_bsdf(bsdf, p_specular, wo, sample.wi);
    const MaskOf<F> dark = (p_specular == 0.0f) & is_black(bsdf.diffuse);
    sample.value.pdf = select(dark, F{}, sample.value.pdf);
    return sample;
}

}  // namespace rnd
