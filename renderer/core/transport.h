// The links of light paths: leaving a surface, connecting it to a light, and weighing what meets a light by chance.
#pragma once

#include "core/light_selection.h"
#include "core/surface.h"

namespace rnd {

inline constexpr float kInfinity = __builtin_huge_valf();
// Shadow rays end this share of their length before the light, so that it does not shadow itself.
inline constexpr float kShadowEnd = 1.0f - 1e-4f;

// Power heuristic (Veach 1995) for the first of two densities, written with their ratio, which cannot overflow.
template <class F>
RND_HD F mis_weight(const F& chosen, const F& other) {
    const F ratio = other / chosen;
    return 1.0f / (1.0f + ratio * ratio);
}

template <class F>
RND_HD RayOf<F> leave(const Surface<F>& surface, const Vector3<F>& direction, const F& t_max) {
    return {surface.origin, F{}, direction, t_max};
}

// Where light `index` is measured for a surface that is light `own`, or none: at its position, not at the origin of its
// rays, just off it; but a surface must not take its own light for one that lies above it.
template <class F>
RND_HD Vector3<F> measuring_point(const IntOf<F>& own, const IntOf<F>& index, const Vector3<F>& origin,
                                  const Vector3<F>& position) {
    return select(MaskOf<F>(own == index), origin, position);
}

// A light sample as seen from a surface, ready to be tested for shadow.
template <class F>
struct LightConnection {
    RayOf<F> ray;  // from just off the surface to the light
    Vector3<F> direction;
    F pdf{};  // 0: no light from there
};

template <class F>
RND_HD LightConnection<F> connect(const Surface<F>& surface, const LightOf<F>& light, const IntOf<F>& index,
                                  const Vector2<F>& u) {
    const Vector3<F> point = measuring_point(surface.light, index, surface.origin, surface.position);
    const LightSample<F> sample = sample_light(light, point, u);
    const Vector3<F> path = point + sample.direction * sample.distance - surface.origin;
    const F distance = length(path);
    // Both normals must see the light: else interpolated normals would leak it through the surface.
    const MaskOf<F> connected = (dot(sample.direction, surface.geometric_normal) > 0.0f) &
                                (dot(sample.direction, surface.shading.n) > 0.0f) & (sample.pdf > 0.0f) &
                                (distance > 0.0f);
    return {leave(surface, path / distance, F(distance * kShadowEnd)), sample.direction,
            select(connected, sample.pdf, F{})};
}

// Radiance that surfaces emit towards the viewer. Grids shine from their front only.
template <class F>
RND_HD Vector3<F> emission(const LightOf<F>& light, const MaskOf<F>& shines, const Surface<F>& surface) {
    return select(MaskOf<F>(shines & (light.is_sphere | surface.front)), light.radiance, Vector3<F>{});
}

// A ray that was sampled from a BSDF, with all that is needed to weigh a light it meets against having sampled that
// light.
template <class F>
struct Departure {
    RayOf<F> ray;
    F pdf{};
    Vector3<F> position;  // of the surface
    IntOf<F> light{};     // that it is
    LightSelector<F> selector;
    bool weigh = true;  // false without next-event estimation: then only such rays find lights

    RND_HD F weight(const SceneData& scene, const LightOf<F>& met, const IntOf<F>& index) const {
        if (!weigh) return spread<F>(1.0f);
        // The ray starts off the point where the light is measured, so that seen from there it may just miss the light:
        // the density must not drop to zero then, for the weight of such a ray would make a bright spot.
        const Vector3<F> point = measuring_point(light, index, ray.origin, position);
        const F density = met_light_pdf(met, point, ray.direction);
        return mis_weight(pdf, F(selector.probability(scene, met) * density));
    }
    // What light `index` contributes where the ray meets its shining side.
    RND_HD Vector3<F> light_of(const SceneData& scene, int32_t index) const {
        const LightOf<F> met = spread<F>(scene.lights[index]);
        return met.radiance * weight(scene, met, IntOf<F>(IntOf<F>{} + index));
    }
};

// Distance at which a ray meets the shining side of a light; not positive if nowhere.
template <class F>
RND_HD F meet_light(const Light& light, const Vector3<F>& origin, const Vector3<F>& direction) {
    if (light.kind == ObjectKind::sphere) return intersect_shape(spread<F>(light.sphere), origin, direction, F{});
    const RectangleShape& r = light.rectangle;
    const MaskOf<F> from_front = dot(spread<F>(cross(r.edge_u, r.edge_v)), direction) < 0.0f;
    const F distance = intersect_shape(spread<F>(r), origin, direction, F{});
    return select(from_front, distance, spread<F>(-1.0f));
}

// Light from hidden lights that a ray passes before `t_end`. Hidden lights only shine: they block nothing, so shadow
// rays and scattered rays agree on what lies behind them.
template <class F>
RND_HD Vector3<F> hidden_emission(const SceneData& scene, const Departure<F>& departure, const MaskOf<F>& mask,
                                  const F& t_end) {
    Vector3<F> sum;
    for (int32_t i = 0; i < scene.hidden_light_count; ++i) {
        const F t = meet_light(scene.lights[i], departure.position, departure.ray.direction);
        const MaskOf<F> passed = mask & (t > 0.0f) & (t < t_end);
        if (none(passed)) continue;
        sum += select(passed, departure.light_of(scene, i), Vector3<F>{});
    }
    return sum;
}

// Light that a path's last ray brings: of all that it meets, only lights matter. Few rays come near one, and what
// else is there is nothing but a shadow.
template <class F, class Scene>
RND_HD Vector3<F> last_emission(const Scene& scene, const Departure<F>& departure, const MaskOf<F>& mask) {
    const SceneData& data = scene.data();
    Vector3<F> sum;
    for (int32_t i = 0; i < data.light_count; ++i) {
        const bool hidden = i < data.hidden_light_count;
        const Vector3<F>& origin = hidden ? departure.position : departure.ray.origin;
        const F t = meet_light(data.lights[i], origin, departure.ray.direction);
        const MaskOf<F> met = mask & (t > 0.0f);
        if (none(met)) continue;
        RayOf<F> ray = departure.ray;
        ray.t_max = t * kShadowEnd;
        const MaskOf<F> lit = met & !scene.occluded(met, ray);
        sum += select(lit, departure.light_of(data, i), Vector3<F>{});
    }
    return sum;
}

}  // namespace rnd
