// The path tracer. `Scene` is the narrow seam to whatever intersects rays:
//     const SceneData& data() const;
//     MaskOf<F> intersect(const MaskOf<F>& mask, const RayOf<F>&, HitOf<F>&) const;   which rays of `mask` hit
//         something within (t_min, t_max), and the nearest there
//     MaskOf<F> occluded(const MaskOf<F>& mask, const RayOf<F>&) const;               whether there is anything
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
template <class F>
struct Scattered {
    Vector3<F> total;
    Vector3<F> diffuse;
};

// Next-event estimation: light from a point on one light, chosen by `u_choice` and `u`, that `bsdf` scatters to the
// viewer of `surface`.
template <class F, class Scene>
RND_HD Scattered<F> scatter_sampled_light(const Scene& scene, const MaskOf<F>& mask, const Surface<F>& surface,
                                          const Bsdf<F>& bsdf, const F& p_specular, const LightSelector<F>& selector,
                                          const F& u_choice, const Vector2<F>& u) {
    const SceneData& data = scene.data();
    F probability{};
    const IntOf<F> index = selector.select_light(data, u_choice, probability);
    const MaskOf<F> chosen = mask & (index != kNone);
    const LightOf<F> light = load_lights<F>(data, index);
    const LightConnection<F> connection = connect(surface, light, index, u);
    const Vector3<F> wi = surface.shading.to_local(connection.direction);
    const BsdfValue<F> value = evaluate_bsdf(bsdf, p_specular, surface.wo_local, wi);
    const MaskOf<F> matters = chosen & (connection.pdf > 0.0f) & !is_black(value.total());
    if (none(matters)) return {};
    const MaskOf<F> lit = matters & !scene.occluded(matters, connection.ray);
    const F pdf = connection.pdf * probability;
    const Vector3<F> light_sample = light.radiance * F(mis_weight(pdf, value.pdf) / pdf);
    return {select(lit, value.total() * light_sample, Vector3<F>{}),
            select(lit, value.diffuse * light_sample, Vector3<F>{})};
}

// A path that grows from the camera, and the light it has found. Paths in step are at the same vertex.
template <class F>
struct Path {
    int32_t vertex = 1;
    Vector3<F> throughput = spread<F>(Vec3{1.0f, 1.0f, 1.0f});
    Vector3<F> diffuse_share;  // how much of `throughput` the diffuse lobe scattered at the first vertex
    Radiance<F> radiance;

    // Light scattered at the current vertex, which a light sent there straight.
    RND_HD void add_scattered(const Scattered<F>& light) {
        if (vertex == 1) {
            radiance.direct += light.total;
            radiance.direct_diffuse += light.diffuse;
        } else {
            radiance.indirect += throughput * light.total;
            radiance.indirect_diffuse += throughput * light.total * diffuse_share;
        }
    }

    // Light that came along the ray which was sampled at the current vertex; `throughput` includes that vertex.
    RND_HD void add_met(const Vector3<F>& emitted) {
        const Vector3<F> light = throughput * emitted;
        (vertex == 1 ? radiance.direct : radiance.indirect) += light;
        (vertex == 1 ? radiance.direct_diffuse : radiance.indirect_diffuse) += light * diffuse_share;
    }

    // Where `mask` is false, the path has ended and carries nothing more.
    RND_HD void extend(const MaskOf<F>& mask, const BsdfValue<F>& value) {
        const Vector3<F> total = value.total();
        if (vertex == 1) {
            diffuse_share = {share(value.diffuse.x, total.x), share(value.diffuse.y, total.y),
                             share(value.diffuse.z, total.z)};
        }
        throughput = select(mask, throughput * (total / value.pdf), Vector3<F>{});
    }

    RND_HD static F share(const F& part, const F& total) {
        return select(MaskOf<F>(total > 0.0f), F(part / total), F{});
    }
};

template <class F>
RND_HD void clamp_indirect(Radiance<F>& radiance, float limit) {
    const F largest = max_component(radiance.indirect);
    const MaskOf<F> above = largest > limit;
    if (none(above)) return;
    // All channels shrink alike, so that the color stays.
    const F scale = select(above, F(limit / largest), spread<F>(1.0f));
    radiance.indirect *= scale;
    radiance.indirect_diffuse *= scale;
}

// What lights emit that a ray meets: hidden ones on its way, and the surface on which it ends, where `found`.
template <class F>
RND_HD Vector3<F> met_emission(const SceneData& scene, const Departure<F>& departure, const MaskOf<F>& mask,
                               const MaskOf<F>& found, const HitOf<F>& hit, const Surface<F>& next) {
    const F t_end = select(found, hit.t, spread<F>(kInfinity));
    Vector3<F> emitted = hidden_emission(scene, departure, mask, t_end);
    const MaskOf<F> shines = found & (next.light != kNone);
    if (any(shines)) {
        const LightOf<F> light = load_lights<F>(scene, next.light);
        const F weight = departure.weight(scene, light, next.light);
        const Vector3<F> own = emission(light, shines, next);
        emitted += select(MaskOf<F>(!is_black(own)), own * weight, Vector3<F>{});
    }
    return emitted;
}

// Light that reaches the viewer of `surface`, the first vertex, along paths of at most `vertices` vertices. The last
// vertex takes no light sample: it only shows its own emission. Leaves another vertex in `surface`.
template <class F, class Scene>
RND_HD Radiance<F> trace_light(const Scene& scene, const Settings& settings, const Sampler<F>& sampler, MaskOf<F> alive,
                               Surface<F>& surface, int32_t vertices) {
    const SceneData& data = scene.data();
    Path<F> path;
    const MaskOf<F> shines = alive & (surface.light != kNone);
    if (any(shines)) path.radiance.direct = emission(load_lights<F>(data, surface.light), shines, surface);
    for (; path.vertex < vertices && any(alive); ++path.vertex) {
        const uint32_t slot = kFirstBounceSlot + kSlotsPerBounce * static_cast<uint32_t>(path.vertex - 1);
        const Bsdf<F> bsdf = make_bsdf(surface.color, surface.roughness, surface.ior);
        const F p_specular = specular_probability(bsdf, surface.wo_local);
        const bool has_choice = data.light_count > 1 || any(MaskOf<F>(p_specular > 0.0f));
        const Vector2<F> choice = has_choice ? sampler.pair(slot + 2) : Vector2<F>{};
        Departure<F> departure;
        departure.weigh = settings.next_event_estimation;

        // Light from a sampled point on a light.
        if (settings.next_event_estimation && data.light_count > 0) {
            departure.selector = make_light_selector(data, surface.origin, surface.shading.n);
            path.add_scattered(scatter_sampled_light(scene, alive, surface, bsdf, p_specular, departure.selector,
                                                     choice.x, sampler.pair(slot)));
        }

        // A direction in which the path goes on.
        const BsdfSample<F> sample = sample_bsdf(bsdf, p_specular, surface.wo_local, choice.y, sampler.pair(slot + 1));
        departure.pdf = sample.value.pdf;
        departure.ray = leave(surface, surface.shading.to_world(sample.wi), spread<F>(kInfinity));
        departure.position = surface.position;
        departure.light = surface.light;
        alive = alive & (departure.pdf > 0.0f) & (dot(departure.ray.direction, surface.geometric_normal) > 0.0f);
        path.extend(alive, sample.value);
        alive = alive & !is_black(path.throughput);
        if (none(alive)) break;

        // Lights that lie in this direction, and the next vertex.
        if (path.vertex + 1 == vertices) {
            path.add_met(last_emission(scene, departure, alive));
            break;
        }
        HitOf<F> hit;
        const MaskOf<F> found = scene.intersect(alive, departure.ray, hit);
        describe_surface(data, found, departure.ray, hit, surface);
        path.add_met(met_emission(data, departure, alive, found, hit, surface));
        alive = found;
    }
    clamp_indirect(path.radiance, settings.clamp);
    return path.radiance;
}

// One sample of a pixel in each lane: everything along one ray from the camera.
template <class F, class Scene>
RND_HD SampleResult<F> trace_samples(const Scene& scene, const Settings& settings, const Sampler<F>& sampler,
                                     const MaskOf<F>& mask, const RayOf<F>& ray) {
    const SceneData& data = scene.data();
    if (data.bounces < 1) return {};
    HitOf<F> hit;
    const MaskOf<F> found = scene.intersect(mask, ray, hit);
    if (none(found)) return {};
    Surface<F> surface;
    describe_surface(data, found, ray, hit, surface);
    SampleResult<F> result;
    result.features = gather_features(scene, settings.buffers, sampler, found, surface, hit.t);
    if ((settings.buffers & kRadianceBuffers) != 0) {
        // Direct light alone needs no more than the light that the first scattering meets.
        const bool full = (settings.buffers & kFullPathBuffers) != 0;
        const int32_t vertices = full || data.bounces < 2 ? data.bounces : 2;
        result.radiance = trace_light(scene, settings, sampler, found, surface, vertices);
    }
    return all(found) ? result : select(found, result, SampleResult<F>{});
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

// Samples [first, end) of each pixel of a part of a row, one after another.
struct SampleRange {
    uint32_t y = 0;
    uint32_t x_begin = 0;
    uint32_t x_end = 0;
    uint32_t first = 0;
    uint32_t end = 0;

    RND_HD uint32_t per_pixel() const { return end - first; }
    RND_HD uint64_t count() const { return uint64_t{x_end - x_begin} * per_pixel(); }
};

// The samples that lanes take, one after another, and their pixels.
template <class F>
struct LaneSamples {
    int count = 0;
    IntArray<F> seed{};
    IntArray<F> index{};
    IntArray<F> x{};

    RND_HD MaskOf<F> mask() const {
        IntArray<F> used{};
        for (int lane = 0; lane < count; ++lane) used.at[lane] = 1;
        return used.load() != 0;
    }
    RND_HD Sampler<F> sampler() const { return {UintOf<F>(seed.load()), UintOf<F>(index.load())}; }
};

// Walks over the samples of a range.
class SampleWalk {
  public:
    RND_HD SampleWalk(const ViewSettings& view, const SampleRange& range)
        : view_(view), range_(range), left_(range.count()), x_(range.x_begin), index_(range.first), seed_(seed()) {}

    RND_HD bool done() const { return left_ == 0; }

    template <class F>
    RND_HD LaneSamples<F> take() {
        constexpr int kLanes = Number<F>::kLanes;
        LaneSamples<F> lanes;
        lanes.count = left_ < uint64_t{kLanes} ? static_cast<int>(left_) : kLanes;
        left_ -= static_cast<uint64_t>(lanes.count);
        for (int lane = 0; lane < lanes.count; ++lane) {
            lanes.seed.at[lane] = static_cast<int32_t>(seed_);
            lanes.index.at[lane] = static_cast<int32_t>(index_);
            lanes.x.at[lane] = static_cast<int32_t>(x_);
            if (++index_ < range_.end) continue;
            index_ = range_.first;
            ++x_;
            seed_ = seed();
        }
        return lanes;
    }

  private:
    RND_HD uint32_t seed() const { return pixel_seed(view_.seed, view_.view, range_.y * view_.size + x_); }

    const ViewSettings& view_;
    const SampleRange& range_;
    uint64_t left_;
    uint32_t x_;
    uint32_t index_;
    uint32_t seed_;
};

// Adds the samples of a range to `sums`, which has an entry for each of its pixels; box-filtered.
template <class F, class Scene>
RND_HD void add_samples(const Scene& scene, const ViewSettings& view, const SampleRange& range, PixelSums* sums) {
    const float scale = 1.0f / static_cast<float>(view.size);
    const ValueList list = values_of(view.settings.buffers);
    for (SampleWalk walk(view, range); !walk.done();) {
        const LaneSamples<F> lanes = walk.template take<F>();
        const Sampler<F> sampler = lanes.sampler();
        const Vector2<F> jitter = sampler.pair(kPixelSlot);
        const F x = (Number<F>::to_float(lanes.x.load()) + jitter.x) * scale;
        const F y = (static_cast<float>(range.y) + jitter.y) * scale;
        const RayOf<F> ray = camera_ray(view.camera, x, y);
        const ValidSamples<F> samples(trace_samples(scene, view.settings, sampler, lanes.mask(), ray), list);
        for (int first = 0; first < lanes.count;) {
            int end = first + 1;
            while (end < lanes.count && lanes.x.at[end] == lanes.x.at[first]) ++end;
            sums[static_cast<uint32_t>(lanes.x.at[first]) - range.x_begin].add(samples, list, first, end);
            first = end;
        }
    }
}

}  // namespace rnd
