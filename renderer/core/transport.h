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

// Light is measured at the surface itself, not where rays start, just off it; but a surface must not take its own
// light for one that lies above it.
RND_HD Vec3 measuring_point(const Surface& surface, int32_t light) {
    return surface.light == light ? surface.origin : surface.position;
}

// A light sample as seen from a surface, ready to be tested for shadow.
struct LightConnection {
    Ray ray;  // from just off the surface to the light
    Vec3 direction;
    float pdf = 0.0f;  // 0: no light from there
};

RND_HD LightConnection connect(const Surface& surface, const SceneData& scene, int32_t index, const Vec2& u) {
    const Vec3 point = measuring_point(surface, index);
    const LightSample sample = sample_light(scene.lights[index], point, u);
    // Both normals must see the light: else interpolated normals would leak it through the surface.
    const bool above =
        dot(sample.direction, surface.geometric_normal) > 0.0f && dot(sample.direction, surface.shading.n) > 0.0f;
    if (!above || !(sample.pdf > 0.0f)) return {};
    const Vec3 path = point + sample.direction * sample.distance - surface.origin;
    const float distance = length(path);
    if (!(distance > 0.0f)) return {};
    return {leave(surface, path / distance, distance * kShadowEnd), sample.direction, sample.pdf};
}

// Radiance that a surface emits towards the viewer. Grids shine from their front only.
RND_HD Vec3 emission(const SceneData& scene, const Surface& surface) {
    if (surface.light == kNone) return {};
    const Light& light = scene.lights[surface.light];
    return light.kind == ObjectKind::sphere || surface.front ? light.radiance : Vec3{};
}

// A ray that was sampled from a BSDF, with all that is needed to weigh a light it meets against having sampled that
// light.
struct Departure {
    Surface surface;
    LightSelector selector;
    Ray ray;
    float pdf = 0.0f;
    bool weigh = true;  // false without next-event estimation: then only such rays find lights

    RND_HD float weight(const SceneData& scene, int32_t light) const {
        if (!weigh) return 1.0f;
        // The ray starts off the point where the light is measured, so that seen from there it may just miss the light:
        // the density must not drop to zero then, for the weight of such a ray would make a bright spot.
        const float density = met_light_pdf(scene.lights[light], measuring_point(surface, light), ray.direction);
        return mis_weight(pdf, selector.probability(scene, light) * density);
    }
};

// Light from hidden lights that a ray passes before `t_end`. Hidden lights only shine: they block nothing, so shadow
// rays and scattered rays agree on what lies behind them.
RND_HD Vec3 hidden_emission(const SceneData& scene, const Departure& departure, float t_end) {
    const Vec3& origin = departure.surface.position;
    const Vec3& direction = departure.ray.direction;
    Vec3 sum;
    for (int32_t i = 0; i < scene.hidden_light_count; ++i) {
        const Light& light = scene.lights[i];
        float t = -1.0f;
        if (light.kind == ObjectKind::sphere) {
            t = intersect_shape(light.sphere, origin, direction, 0.0f);
        } else if (dot(cross(light.rectangle.edge_u, light.rectangle.edge_v), direction) < 0.0f) {
            t = intersect_shape(light.rectangle, origin, direction, 0.0f);
        }
        if (t > 0.0f && t < t_end) sum += light.radiance * departure.weight(scene, i);
    }
    return sum;
}

}  // namespace rnd
