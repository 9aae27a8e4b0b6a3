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
RND_HD Vec3 visible_albedo(const Material& material, const Vec3& color) {
    return material.roughness <= 0.05f && material.texture == kNone ? Vec3{} : color;
}

// An interpolated normal can reflect a ray into the surface; such a ray is traced along the surface instead.
RND_HD Vec3 keep_above(const Vec3& direction, const Vec3& geometric_normal) {
    constexpr float kMinCosine = 1e-3f;
    const float cosine = dot(direction, geometric_normal);
    return cosine > 0.0f ? direction
                         : normalize_or(direction + geometric_normal * (kMinCosine - cosine), geometric_normal);
}

template <class Scene>
RND_HD void gather_mirror(const Scene& scene, const Surface& surface, const Vec3& mirror, Features& features) {
    const Ray ray = leave(surface, keep_above(mirror, surface.geometric_normal), kInfinity);
    Hit hit;
    if (!scene.intersect(ray, hit)) return;
    const Surface reflected = make_surface(scene.data(), ray, hit);
    features.mirror_hit = reflected.position;
    features.mirror_normal = reflected.shading.n;
}

// Whether a random point of a random light is visible.
template <class Scene>
RND_HD float sample_shadow(const Scene& scene, const Surface& surface, const Sampler& sampler) {
    const SceneData& data = scene.data();
    if (data.light_count == 0) return 1.0f;
    const float choice = sampler.pair(kShadowLightSlot).x * static_cast<float>(data.light_count);
    const int32_t last = data.light_count - 1;
    const int32_t index = static_cast<int32_t>(choice) < last ? static_cast<int32_t>(choice) : last;
    const LightConnection connection = connect(surface, data, index, sampler.pair(kShadowSlot));
    return connection.pdf > 0.0f && !scene.occluded(connection.ray) ? 1.0f : 0.0f;
}

template <class Scene>
RND_HD float sample_ambient_occlusion(const Scene& scene, const Surface& surface, const Sampler& sampler) {
    const Vec3 direction = surface.shading.to_world(sample_cosine_hemisphere(sampler.pair(kOcclusionSlot)));
    return scene.occluded(leave(surface, direction, kOcclusionRadius)) ? 0.0f : 1.0f;
}

template <class Scene>
RND_HD Features gather_features(const Scene& scene, uint32_t buffers, const Sampler& sampler, const Surface& surface,
                                const Vec3& color, float depth) {
    const Material& material = scene.data().materials[surface.material];
    Features features;
    features.position = surface.position;
    features.normal = surface.shading.n;
    features.depth = depth;
    features.id = material.id;
    features.albedo = visible_albedo(material, color);
    features.roughness = material.roughness;
    features.mirror = reflect(surface.wo, surface.shading.n);
    if ((buffers & kMirrorRayBuffers) != 0) gather_mirror(scene, surface, features.mirror, features);
    if ((buffers & bit(Buffer::shadows)) != 0) features.shadows = sample_shadow(scene, surface, sampler);
    if ((buffers & bit(Buffer::ao)) != 0) features.ao = sample_ambient_occlusion(scene, surface, sampler);
    return features;
}

}  // namespace rnd
