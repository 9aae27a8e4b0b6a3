// The one surface model: a blend of Lambert and white GGX reflection. Directions are in the local frame (z = normal)
// and point away from the surface.
#pragma once

#include "core/microfacet.h"

namespace rnd {

struct Bsdf {
    Vec3 diffuse;           // (1 - s) * albedo
    float specular = 0.0f;  // s
    float alpha = 1.0f;     // roughness^2
    float ior = 15.0f;
};

// s = 1 - (roughness - 0.05) / 0.95, clamped: a surface is a mirror at 0.05 and below, and matt at 1.
RND_HD float specular_share(float roughness) {
    return 1.0f - clamp((roughness - 0.05f) / 0.95f, 0.0f, 1.0f);
}

RND_HD Bsdf make_bsdf(const Vec3& albedo, float roughness, float ior) {
    const float s = specular_share(roughness);
    return {albedo * (1.0f - s), s, clamp(roughness * roughness, kMinAlpha, 1.0f), ior};
}

// Both lobes of f(wo, wi) cos(wi), and the density with which `sample_bsdf` chooses wi.
struct BsdfValue {
    Vec3 diffuse;
    float specular = 0.0f;
    float pdf = 0.0f;

    RND_HD Vec3 total() const { return diffuse + Vec3{specular, specular, specular}; }
};

// How often sampling picks the specular lobe: its share of the light that the surface reflects towards wo.
RND_HD float specular_probability(const Bsdf& bsdf, const Vec3& wo) {
    if (bsdf.specular == 0.0f) return 0.0f;
    const float specular = bsdf.specular * fresnel_dielectric(wo.z, bsdf.ior);
    const float diffuse = (bsdf.diffuse.x + bsdf.diffuse.y + bsdf.diffuse.z) * (1.0f / 3.0f);
    const float sum = specular + diffuse;
    return sum > 0.0f ? specular / sum : 0.0f;
}

RND_HD BsdfValue evaluate_bsdf(const Bsdf& bsdf, float p_specular, const Vec3& wo, const Vec3& wi) {
    BsdfValue value;
    if (wo.z <= 0.0f || wi.z <= 0.0f) return value;
    value.diffuse = bsdf.diffuse * (wi.z * kInvPi);
    value.pdf = (1.0f - p_specular) * wi.z * kInvPi;
    if (p_specular > 0.0f) {
        const Vec3 m = normalize_or(wo + wi, {0.0f, 0.0f, 1.0f});
        const float d = ggx_distribution(m, bsdf.alpha);
        const float fresnel = fresnel_dielectric(dot(wo, m), bsdf.ior);
        const float masking = smith_masking_over_cosine(wo, bsdf.alpha) * smith_masking_over_cosine(wi, bsdf.alpha);
        value.specular = bsdf.specular * fresnel * d * masking * 0.25f * wi.z;
        value.pdf += p_specular * d * reflection_pdf_over_distribution(wo, bsdf.alpha);
    }
    return value;
}

struct BsdfSample {
    Vec3 wi;
    BsdfValue value;  // value.pdf is 0 where the sample leads nowhere
};

// `u_lobe` picks the lobe, `u` the direction.
RND_HD BsdfSample sample_bsdf(const Bsdf& bsdf, float p_specular, const Vec3& wo, float u_lobe, const Vec2& u) {
    BsdfSample sample;
    if (wo.z <= 0.0f || (p_specular == 0.0f && is_black(bsdf.diffuse))) return sample;
    if (u_lobe < p_specular) {
        sample.wi = reflect(wo, sample_visible_normal(wo, bsdf.alpha, u));
    } else {
        sample.wi = sample_cosine_hemisphere(u);
    }
    sample.value = evaluate_bsdf(bsdf, p_specular, wo, sample.wi);
    return sample;
}

}  // namespace rnd
