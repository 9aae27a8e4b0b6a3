// Which light a path vertex samples: chosen in proportion to an estimate of what each would contribute there.
#pragma once

#include "core/scene_data.h"

namespace rnd {

// The estimates must be positive wherever a light contributes at all; beyond that they only steer the noise.
RND_HD float estimate_contribution(const SphereShape& sphere, float power, const Vec3& point, const Vec3& normal) {
    const Vec3 to_center = sphere.center - point;
    const float d2 = length_squared(to_center);
    const float r2 = square(sphere.radius);
    if (d2 <= r2) return power / r2;
    const float height = dot(to_center, normal) + sphere.radius;  // of the sphere's top above the horizon
    return height > 0.0f ? power * minimum(height / std::sqrt(d2), 1.0f) / d2 : 0.0f;
}

RND_HD float estimate_contribution(const RectangleShape& rectangle, float power, const Vec3& point,
                                   const Vec3& normal) {
    const Vec3 area_vector = cross(rectangle.edge_u, rectangle.edge_v);
    const Vec3 to_center = rectangle.center - point;
    const float facing = -dot(area_vector, to_center);
    const float reach = 0.5f * (std::fabs(dot(rectangle.edge_u, normal)) + std::fabs(dot(rectangle.edge_v, normal)));
    const float height = dot(to_center, normal) + reach;  // of its highest corner above the horizon
    if (facing <= 0.0f || height <= 0.0f) return 0.0f;
    const float area = length(area_vector);
    const float d2 = length_squared(to_center);
    const float near2 = 0.25f * area;  // nearer than this, the center says little about the rest of the light
    const float cosine_light = maximum(facing / (area * std::sqrt(d2)), minimum(1.0f, near2 / d2) * 0.5f);
    const float cosine_point = minimum(height / std::sqrt(d2), 1.0f);
    return power * cosine_light * cosine_point / maximum(d2, near2);
}

RND_HD float estimate_contribution(const Light& light, const Vec3& point, const Vec3& normal) {
    return light.kind == ObjectKind::sphere ? estimate_contribution(light.sphere, light.power, point, normal)
                                            : estimate_contribution(light.rectangle, light.power, point, normal);
}

// The choice at one vertex; `probability` gives the density that belongs to it.
struct LightSelector {
    Vec3 point;
    Vec3 normal;
    float total = 0.0f;

    RND_HD float probability(const SceneData& scene, int32_t light) const {
        if (scene.light_count == 1) return 1.0f;
        if (!(total > 0.0f)) return 0.0f;
        return estimate_contribution(scene.lights[light], point, normal) / total;
    }

    // Returns kNone where no light contributes.
    RND_HD int32_t select(const SceneData& scene, float u, float& chosen_probability) const {
        chosen_probability = 1.0f;
        if (scene.light_count == 1) return 0;
        float remaining = u * total;
        int32_t chosen = kNone;
        float chosen_estimate = 0.0f;
        for (int32_t i = 0; i < scene.light_count; ++i) {
            const float estimate = estimate_contribution(scene.lights[i], point, normal);
            if (estimate <= 0.0f) continue;
            chosen = i;
            chosen_estimate = estimate;
            if (remaining < estimate) break;
            remaining -= estimate;
        }
        if (chosen != kNone) chosen_probability = chosen_estimate / total;
        return chosen;
    }
};

RND_HD LightSelector make_light_selector(const SceneData& scene, const Vec3& point, const Vec3& normal) {
    LightSelector selector{point, normal, 0.0f};
    if (scene.light_count > 1) {
        for (int32_t i = 0; i < scene.light_count; ++i) {
            selector.total += estimate_contribution(scene.lights[i], point, normal);
        }
    }
    return selector;
}

RND_HD LightSample sample_light(const Light& light, const Vec3& point, const Vec2& u) {
    return light.kind == ObjectKind::sphere ? sample_light(light.sphere, point, u)
                                            : sample_light(light.rectangle, point, u);
}

RND_HD float met_light_pdf(const Light& light, const Vec3& point, const Vec3& direction) {
    return light.kind == ObjectKind::sphere ? met_light_pdf(light.sphere, point, direction)
                                            : met_light_pdf(light.rectangle, point, direction);
}

}  // namespace rnd
