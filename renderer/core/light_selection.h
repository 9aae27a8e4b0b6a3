// Which light a path vertex samples: chosen in proportion to an estimate of what each would contribute there.
#pragma once

#include "core/scene_data.h"

namespace rnd {

// A light of either kind in each lane.
template <class F>
struct LightOf {
    MaskOf<F> is_sphere{};
    Vector3<F> radiance;
    F power{};
    SphereOf<F> sphere;
    RectangleOf<F> rectangle;
};

template <class F>
RND_HD LightOf<F> spread(const Light& light) {
    const bool sphere = light.kind == ObjectKind::sphere;
    return {sphere ? MaskOf<F>(!MaskOf<F>{}) : MaskOf<F>{}, spread<F>(light.radiance), spread<F>(light.power),
            spread<F>(light.sphere), spread<F>(light.rectangle)};
}

// The lights with these indices, or any where the index is kNone.
template <class F>
RND_HD LightOf<F> load_lights(const SceneData& scene, const IntOf<F>& index) {
    if (scene.light_count == 1) return spread<F>(scene.lights[0]);
    const IntOf<F> known = maximum(index, IntOf<F>{});
    const Row<F, LightField> light{scene.light_table, known};
    const Vector3<F> center = light.vector(LightField::center);
    return {light.number(LightField::is_sphere) != 0.0f,
            light.vector(LightField::radiance),
            light.number(LightField::power),
            {center, light.number(LightField::radius)},
            {center, light.vector(LightField::edge_u), light.vector(LightField::edge_v)}};
}

// What `on(shape)` says of each lane's light, computed for the kinds that there are.
template <class F, class Function>
RND_HD auto of_kind(const LightOf<F>& light, const Function& on) {
    if (all(light.is_sphere)) return on(light.sphere);
    if (none(light.is_sphere)) return on(light.rectangle);
    return select(light.is_sphere, on(light.sphere), on(light.rectangle));
}

// The estimates must be positive wherever a light contributes at all; beyond that they only steer the noise.
template <class F>
RND_HD F estimate_contribution(const SphereOf<F>& sphere, const F& power, const Vector3<F>& point,
                               const Vector3<F>& normal) {
    const Vector3<F> to_center = sphere.center - point;
    const F d2 = length_squared(to_center);
    const F r2 = square(sphere.radius);
    const F height = dot(to_center, normal) + sphere.radius;  // of the sphere's top above the horizon
    const F cosine = minimum(F(height / square_root(d2)), spread<F>(1.0f));
    const F outside = select(MaskOf<F>(height > 0.0f), F(power * cosine / d2), F{});
    return select(MaskOf<F>(d2 <= r2), F(power / r2), outside);
}

template <class F>
RND_HD F estimate_contribution(const RectangleOf<F>& rectangle, const F& power, const Vector3<F>& point,
                               const Vector3<F>& normal) {
    const Vector3<F> area_vector = cross(rectangle.edge_u, rectangle.edge_v);
    const Vector3<F> to_center = rectangle.center - point;
    const F facing = -dot(area_vector, to_center);
    const F reach = 0.5f * (absolute(dot(rectangle.edge_u, normal)) + absolute(dot(rectangle.edge_v, normal)));
    const F height = dot(to_center, normal) + reach;  // of its highest corner above the horizon
    const F area = length(area_vector);
    const F d2 = length_squared(to_center);
    const F d = square_root(d2);
    const F near2 = 0.25f * area;  // nearer than this, the center says little about the rest of the light
    const F least = 0.5f * minimum(spread<F>(1.0f), F(near2 / d2));
    const F cosine_light = maximum(F(facing / (area * d)), least);
    const F cosine_point = minimum(F(height / d), spread<F>(1.0f));
    const F estimate = power * cosine_light * cosine_point / maximum(d2, near2);
    return select(MaskOf<F>((facing > 0.0f) & (height > 0.0f)), estimate, F{});
}

template <class F>
RND_HD F estimate_contribution(const LightOf<F>& light, const Vector3<F>& point, const Vector3<F>& normal) {
    return of_kind(light, [&](const auto& shape) { return estimate_contribution(shape, light.power, point, normal); });
}

// The choice at one vertex; `probability` gives the density that belongs to it.
template <class F>
struct LightSelector {
    Vector3<F> point;
    Vector3<F> normal;
    F total{};

    RND_HD F probability(const SceneData& scene, const LightOf<F>& light) const {
        if (scene.light_count == 1) return spread<F>(1.0f);
        const F estimate = estimate_contribution(light, point, normal);
        return select(MaskOf<F>(total > 0.0f), F(estimate / total), F{});
    }

    // Returns kNone where no light contributes.
    RND_HD IntOf<F> select_light(const SceneData& scene, const F& u, F& chosen_probability) const {
        chosen_probability = spread<F>(1.0f);
        if (scene.light_count == 1) return IntOf<F>{};
        IntOf<F> chosen = IntOf<F>{} + kNone;
        F chosen_estimate{};
        F remaining = u * total;
        MaskOf<F> found{};
        for (int32_t i = 0; i < scene.light_count; ++i) {
            const F estimate = estimate_contribution(spread<F>(scene.lights[i]), point, normal);
            const MaskOf<F> candidate = (!found) & (estimate > 0.0f);
            chosen = select(candidate, IntOf<F>(IntOf<F>{} + i), chosen);
            chosen_estimate = select(candidate, estimate, chosen_estimate);
            found = found | (candidate & (remaining < estimate));
            remaining = select(candidate, F(remaining - estimate), remaining);
        }
        chosen_probability = chosen_estimate / total;
        return chosen;
    }
};

template <class F>
RND_HD LightSelector<F> make_light_selector(const SceneData& scene, const Vector3<F>& point, const Vector3<F>& normal) {
    LightSelector<F> selector{point, normal, F{}};
    if (scene.light_count > 1) {
        for (int32_t i = 0; i < scene.light_count; ++i) {
            selector.total += estimate_contribution(spread<F>(scene.lights[i]), point, normal);
        }
    }
    return selector;
}

template <class F>
RND_HD LightSample<F> sample_light(const LightOf<F>& light, const Vector3<F>& point, const Vector2<F>& u) {
    return of_kind(light, [&](const auto& shape) { return sample_light(shape, point, u); });
}

template <class F>
RND_HD F met_light_pdf(const LightOf<F>& light, const Vector3<F>& point, const Vector3<F>& direction) {
    return of_kind(light, [&](const auto& shape) { return met_light_pdf(shape, point, direction); });
}

}  // namespace rnd
