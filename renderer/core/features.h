// The G-buffers: what is seen at the first hit. Only what is asked for costs rays.
#pragma once

#include "core/buffers.h"
#include "core/sobol.h"
#include "core/transport.h"

namespace rnd {

inline constexpr float kOcclusionRadius = 1.0f;

// Slots of the sample stream (two dimensions each).
inline constexpr uint32_t kPixelSlot = 0;
inline constexpr uint32_t kOcclusionSlot = 1;
inline constexpr uint32_t kShadowSlot = 2;
inline constexpr uint32_t kShadowLightSlot = 3;
inline constexpr uint32_t kFirstBounceSlot = 4;

// Perfect mirrors without a texture show nothing of their own.
template <class F>
RND_HD Vector3<F> visible_albedo(const Surface<F>& surface) {
    const MaskOf<F> mirror = (surface.roughness <= 0.05f) & !surface.textured;
    return select(mirror, Vector3<F>{}, surface.color);
}

// An interpolated normal can reflect a ray into the surface; such a ray is traced along the surface instead.
template <class F>
RND_HD Vector3<F> keep_above(const Vector3<F>& direction, const Vector3<F>& geometric_normal) {
    constexpr float kMinCosine = 1e-3f;
    const F cosine = dot(direction, geometric_normal);
    const MaskOf<F> above = cosine > 0.0f;
    if (all(above)) return direction;
    const Vector3<F> along = normalize_or(direction + geometric_normal * F(kMinCosine - cosine), geometric_normal);
    return select(above, direction, along);
}

template <class F, class Scene>
RND_HD void gather_mirror(const Scene& scene, const MaskOf<F>& mask, const Surface<F>& surface, Features<F>& features) {
    const Vector3<F> direction = keep_above(features.mirror, surface.geometric_normal);
    const RayOf<F> ray = leave(surface, direction, spread<F>(kInfinity));
    HitOf<F> hit;
    const MaskOf<F> found = scene.intersect(mask, ray, hit);
    if (none(found)) return;
    Surface<F> reflected;
    describe_surface(scene.data(), found, ray, hit, reflected);
    features.mirror_hit = select(found, reflected.position, Vector3<F>{});
    features.mirror_normal = select(found, reflected.shading.n, Vector3<F>{});
}

// Whether a random point of a random light is visible.
template <class F, class Scene>
RND_HD F sample_shadow(const Scene& scene, const MaskOf<F>& mask, const Surface<F>& surface,
                       const Sampler<F>& sampler) {
    const SceneData& data = scene.data();
    if (data.light_count == 0) return spread<F>(1.0f);
    const F choice = sampler.pair(kShadowLightSlot).x * static_cast<float>(data.light_count);
    const IntOf<F> last = IntOf<F>{} + (data.light_count - 1);
    const IntOf<F> index = minimum(Number<F>::to_int(choice), last);
    const LightOf<F> light = load_lights<F>(data, index);
    const LightConnection<F> connection = connect(surface, light, index, sampler.pair(kShadowSlot));
    const MaskOf<F> connected = mask & (connection.pdf > 0.0f);
    const MaskOf<F> visible = connected & !scene.occluded(connected, connection.ray);
    return select(visible, spread<F>(1.0f), F{});
}

template <class F, class Scene>
RND_HD F sample_ambient_occlusion(const Scene& scene, const MaskOf<F>& mask, const Surface<F>& surface,
                                  const Sampler<F>& sampler) {
    const Vector3<F> direction = surface.shading.to_world(sample_cosine_hemisphere(sampler.pair(kOcclusionSlot)));
    const RayOf<F> ray = leave(surface, direction, spread<F>(kOcclusionRadius));
    return select(scene.occluded(mask, ray), F{}, spread<F>(1.0f));
}

// Of lanes in `mask`.
template <class F, class Scene>
RND_HD Features<F> gather_features(const Scene& scene, uint32_t buffers, const Sampler<F>& sampler,
                                   const MaskOf<F>& mask, const Surface<F>& surface, const F& depth) {
    Features<F> features;
    features.position = surface.position;
    features.normal = surface.shading.n;
    features.depth = depth;
    features.id = surface.id;
    features.albedo = visible_albedo(surface);
    features.roughness = surface.roughness;
    features.mirror = reflect(surface.wo, surface.shading.n);
    if ((buffers & kMirrorRayBuffers) != 0) gather_mirror(scene, mask, surface, features);
    if ((buffers & bit(Buffer::shadows)) != 0) features.shadows = sample_shadow(scene, mask, surface, sampler);
    if ((buffers & bit(Buffer::ao)) != 0) features.ao = sample_ambient_occlusion(scene, mask, surface, sampler);
    return features;
}

}  // namespace rnd
