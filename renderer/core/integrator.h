// The path tracer. `Scene` is the narrow seam to whatever intersects rays:
//     const SceneData& data() const;
//     bool intersect(const Ray&, Hit&) const;   the nearest hit within (t_min, t_max)
//     bool occluded(const Ray&) const;          whether there is any
#pragma once

#include "core/camera.h"
#include "core/features.h"

namespace rnd {

struct Settings {
    uint32_t buffers = bit(Buffer::beauty);
    float clamp = 25.0f;  // largest component of a sample's indirect radiance; infinity switches it off
    bool next_event_estimation = true;
};

inline constexpr uint32_t kSlotsPerBounce = 3;  // point on a light; direction; choice of light and of lobe

// Light scattered at one vertex, and the part of it that the diffuse lobe scattered.
struct Scattered {
    Vec3 total;
    Vec3 diffuse;
};

// Next-event estimation: light from a point on one light, chosen by `u_choice` and `u`, that `bsdf` scatters to the
// viewer of `surface`.
template <class Scene>
RND_HD Scattered scatter_sampled_light(const Scene& scene, const Surface& surface, const Bsdf& bsdf, float p_specular,
                                       const LightSelector& selector, float u_choice, const Vec2& u) {
    const SceneData& data = scene.data();
    float probability = 0.0f;
    const int32_t index = selector.select(data, u_choice, probability);
    if (index == kNone) return {};
    const LightConnection connection = connect(surface, data, index, u);
    if (!(connection.pdf > 0.0f)) return {};
    const Vec3 wi = surface.shading.to_local(connection.direction);
    const BsdfValue value = evaluate_bsdf(bsdf, p_specular, surface.wo_local, wi);
    if (is_black(value.total()) || scene.occluded(connection.ray)) return {};
    const float pdf = connection.pdf * probability;
    const Vec3 light_sample = data.lights[index].radiance * (mis_weight(pdf, value.pdf) / pdf);
    return {value.total() * light_sample, value.diffuse * light_sample};
}

// A path that grows from the camera, and the light it has found.
struct Path {
    int32_t vertex = 1;
    Vec3 throughput{1.0f, 1.0f, 1.0f};
    Vec3 diffuse_share;  // how much of `throughput` the diffuse lobe scattered at the first vertex
    Radiance radiance;

    // Light scattered at the current vertex, which a light sent there straight.
    RND_HD void add_scattered(const Scattered& light) {
        if (vertex == 1) {
            radiance.direct += light.total;
            radiance.direct_diffuse += light.diffuse;
        } else {
            radiance.indirect += throughput * light.total;
            radiance.indirect_diffuse += throughput * light.total * diffuse_share;
        }
    }

    // Light that came along the ray which was sampled at the current vertex; `throughput` includes that vertex.
    RND_HD void add_met(const Vec3& emitted) {
        const Vec3 light = throughput * emitted;
        (vertex == 1 ? radiance.direct : radiance.indirect) += light;
        (vertex == 1 ? radiance.direct_diffuse : radiance.indirect_diffuse) += light * diffuse_share;
    }

    RND_HD void extend(const BsdfValue& value) {
        const Vec3 total = value.total();
        if (vertex == 1) {
            diffuse_share = {total.x > 0.0f ? value.diffuse.x / total.x : 0.0f,
                             total.y > 0.0f ? value.diffuse.y / total.y : 0.0f,
                             total.z > 0.0f ? value.diffuse.z / total.z : 0.0f};
        }
        throughput *= total / value.pdf;
    }
};

RND_HD void clamp_indirect(Radiance& radiance, float limit) {
    const float largest = max_component(radiance.indirect);
    if (!(largest > limit)) return;
    // All channels shrink alike, so that the color stays.
    radiance.indirect *= limit / largest;
    radiance.indirect_diffuse *= limit / largest;
}

// Light that reaches the viewer of `first`, the first vertex, along paths of at most `vertices` vertices. The last
// vertex takes no light sample: it only shows its own emission.
template <class Scene>
RND_HD Radiance trace_light(const Scene& scene, const Settings& settings, const Sampler& sampler, const Surface& first,
                            Vec3 color, int32_t vertices) {
    const SceneData& data = scene.data();
    Path path;
    path.radiance.direct = emission(data, first);
    Departure departure;
    departure.surface = first;
    departure.weigh = settings.next_event_estimation;
    for (; path.vertex < vertices; ++path.vertex) {
        const uint32_t slot = kFirstBounceSlot + kSlotsPerBounce * static_cast<uint32_t>(path.vertex - 1);
        const Vec2 choice = sampler.pair(slot + 2);
        const Surface& surface = departure.surface;
        const Material& material = data.materials[surface.material];
        const Bsdf bsdf = make_bsdf(color, material.roughness, material.ior);
        const float p_specular = specular_probability(bsdf, surface.wo_local);

        // Light from a sampled point on a light.
        if (settings.next_event_estimation && data.light_count > 0) {
            departure.selector = make_light_selector(data, surface.origin, surface.shading.n);
            path.add_scattered(scatter_sampled_light(scene, surface, bsdf, p_specular, departure.selector, choice.x,
                                                     sampler.pair(slot)));
        }

        // A direction in which the path goes on.
        const BsdfSample sample = sample_bsdf(bsdf, p_specular, surface.wo_local, choice.y, sampler.pair(slot + 1));
        if (!(sample.value.pdf > 0.0f)) break;
        departure.pdf = sample.value.pdf;
        departure.ray = leave(surface, surface.shading.to_world(sample.wi), kInfinity);
        if (dot(departure.ray.direction, surface.geometric_normal) <= 0.0f) break;
        path.extend(sample.value);
        if (is_black(path.throughput)) break;

        // Lights that lie in this direction, and the next vertex.
        Hit hit;
        const bool found = scene.intersect(departure.ray, hit);
        Vec3 emitted = hidden_emission(data, departure, found ? hit.t : kInfinity);
        if (!found) {
            path.add_met(emitted);
            break;
        }
        const Surface next = make_surface(data, departure.ray, hit);
        const Vec3 own = emission(data, next);
        if (!is_black(own)) emitted += own * departure.weight(data, next.light);
        path.add_met(emitted);
        departure.surface = next;
        color = textured_color(data, data.materials[next.material], next.uv);
    }
    clamp_indirect(path.radiance, settings.clamp);
    return path.radiance;
}

// One sample of one pixel: everything along one ray from the camera.
template <class Scene>
RND_HD SampleResult trace_sample(const Scene& scene, const Settings& settings, const Sampler& sampler, const Ray& ray) {
    const SceneData& data = scene.data();
    SampleResult result;
    Hit hit;
    if (data.bounces < 1 || !scene.intersect(ray, hit)) return result;
    const Surface surface = make_surface(data, ray, hit);
    const Vec3 color = textured_color(data, data.materials[surface.material], surface.uv);
    result.features = gather_features(scene, settings.buffers, sampler, surface, color, hit.t);
    if ((settings.buffers & kRadianceBuffers) != 0) {
        // Direct light alone needs no more than the light that the first scattering meets.
        const bool full = (settings.buffers & kFullPathBuffers) != 0;
        const int32_t vertices = full || data.bounces < 2 ? data.bounces : 2;
        result.radiance = trace_light(scene, settings, sampler, surface, color, vertices);
    }
    return result;
}

// One view of a scene: where from, and how well.
struct ViewSettings {
    Camera camera;
    Settings settings;
    uint32_t size = 0;     // of the image, in pixels
    uint32_t samples = 0;  // a pixel
    uint64_t seed = 0;
    uint64_t view = 0;
};

// Adds samples [first, end) of the pixel (x, y), box-filtered.
template <class Scene>
RND_HD void render_pixel(const Scene& scene, const ViewSettings& view, uint32_t x, uint32_t y, uint32_t first,
                         uint32_t end, PixelSums& sums) {
    const float scale = 1.0f / static_cast<float>(view.size);
    Sampler sampler{pixel_seed(view.seed, view.view, y * view.size + x), first};
    for (; sampler.index < end; ++sampler.index) {
        const Vec2 jitter = sampler.pair(kPixelSlot);
        const Ray ray = camera_ray(view.camera, (static_cast<float>(x) + jitter.x) * scale,
                                   (static_cast<float>(y) + jitter.y) * scale);
        sums.add(trace_sample(scene, view.settings, sampler, ray));
    }
}

}  // namespace rnd
