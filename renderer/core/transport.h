// The links of light paths: leaving a surface, connecting it to a light, and weighing what meets a light by chance.
#pragma once

#include "core/light_selection.h"
#include "core/surface.h"

namespace rnd {

inline constexpr float kInfinity = __builtin_huge_valf();
// Shadow rays end this share of their length before the light, so that it does not shadow itself.
inline constexpr float kShadowEnd = 1.0f - 1e-4f;

// Power heuristic (Veach 1995) for the first of two densities, written with their ratio, which cannot overflow.
RND_HD float mis_weight(float chosen, float other) {
    const float ratio = other / chosen;
    return 1.0f / (1.0f + ratio * ratio);
}

RND_HD Ray leave(const Surface& surface, const Vec3& direction, float t_max) {
    return {surface.origin, 0.0f, direction, t_max};
}

// A light sample as seen from a surface, ready to be tested for shadow.
struct LightConnection {
    Ray ray;
    float pdf = 0.0f;  // 0: no light from there
};

RND_HD LightConnection connect(const Surface& surface, const Light& light, const Vec2& u) {
    const LightSample sample = sample_light(light, surface.origin, u);
    // Both normals must see the light: else interpolated normals would leak it through the surface.
    const bool above =
        dot(sample.direction, surface.geometric_normal) > 0.0f && dot(sample.direction, surface.shading.n) > 0.0f;
    if (!above || !(sample.pdf > 0.0f)) return {};
    return {leave(surface, sample.direction, sample.distance * kShadowEnd), sample.pdf};
}

// Radiance that a surface emits towards the viewer. Grids shine from their front only.
RND_HD Vec3 emission(const SceneData& scene, const Surface& surface) {
    if (surface.light == kNone) return {};
    const Light& light = scene.lights[surface.light];
    return light.kind == ObjectKind::sphere || surface.front ? light.radiance : Vec3{};
}

// Where a ray was sampled from a BSDF: all that is needed to weigh a light it meets against having sampled the light.
struct Departure {
    LightSelector selector;
    float pdf = 0.0f;
    bool weigh = true;  // false without next-event estimation: then only such rays find lights

    RND_HD float weight(const SceneData& scene, int32_t light, const Ray& ray) const {
        if (!weigh) return 1.0f;
        const float light_density =
            selector.probability(scene, light) * light_pdf(scene.lights[light], ray.origin, ray.direction);
        return mis_weight(pdf, light_density);
    }
};

// Light from hidden lights that a ray passes before `t_end`. Hidden lights only shine: they block nothing, so shadow
// rays and scattered rays agree on what lies behind them.
RND_HD Vec3 hidden_emission(const SceneData& scene, const Departure& departure, const Ray& ray, float t_end) {
    Vec3 sum;
    for (int32_t i = 0; i < scene.hidden_light_count; ++i) {
        const Light& light = scene.lights[i];
        float t = -1.0f;
        if (light.kind == ObjectKind::sphere) {
            t = intersect_shape(light.sphere, ray.origin, ray.direction, 0.0f);
        } else if (dot(cross(light.rectangle.edge_u, light.rectangle.edge_v), ray.direction) < 0.0f) {
            t = intersect_shape(light.rectangle, ray.origin, ray.direction, 0.0f);
        }
        if (t > 0.0f && t < t_end) sum += light.radiance * departure.weight(scene, i, ray);
    }
    return sum;
}

}  // namespace rnd
