// The image buffers, and what one pixel gathers for them.
#pragma once

#include <cstdint>

#include "core/vector.h"

namespace rnd {

// In the order of the specification's table.
enum class Buffer : uint32_t {
    beauty,
    position,
    normal,
    depth,
    id,
    albedo,
    roughness,
    direct,
    indirect,
    diffuse,
    specular,
    mirror,
    mirror_hit,
    mirror_normal,
    shadows,
    ao,
};

inline constexpr uint32_t kBufferCount = 16;

RND_HD constexpr uint32_t bit(Buffer buffer) {
    return 1u << static_cast<uint32_t>(buffer);
}

RND_HD constexpr uint32_t channel_count(Buffer buffer) {
    constexpr uint32_t scalars =
        bit(Buffer::depth) | bit(Buffer::id) | bit(Buffer::roughness) | bit(Buffer::shadows) | bit(Buffer::ao);
    return (bit(buffer) & scalars) != 0 ? 1 : 3;
}

inline constexpr uint32_t kFullPathBuffers =
    bit(Buffer::beauty) | bit(Buffer::indirect) | bit(Buffer::diffuse) | bit(Buffer::specular);
inline constexpr uint32_t kRadianceBuffers = kFullPathBuffers | bit(Buffer::direct);
inline constexpr uint32_t kMirrorRayBuffers = bit(Buffer::mirror_hit) | bit(Buffer::mirror_normal);

// The light that one sample carries to the camera. The diffuse parts are those of paths whose first scattering is
// diffuse.
struct Radiance {
    Vec3 direct;
    Vec3 indirect;
    Vec3 direct_diffuse;
    Vec3 indirect_diffuse;
};

// What one sample sees at the first hit. The defaults are what a ray into the void leaves behind: nothing shades it.
struct Features {
    Vec3 position;
    Vec3 normal;
    float depth = 0.0f;
    float id = 0.0f;
    Vec3 albedo;
    float roughness = 0.0f;
    Vec3 mirror;
    Vec3 mirror_hit;
    Vec3 mirror_normal;
    float shadows = 1.0f;
    float ao = 1.0f;
};

struct SampleResult {
    Radiance radiance;
    Features features;
};

RND_HD bool is_finite(const SampleResult& sample) {
    const Radiance& r = sample.radiance;
    const Features& f = sample.features;
    // A sum is finite only if no term is NaN or infinite (opposite infinities give NaN).
    const Vec3 vectors = r.direct + r.indirect + r.direct_diffuse + r.indirect_diffuse + f.position + f.normal +
                         f.albedo + f.mirror + f.mirror_hit + f.mirror_normal;
    return is_finite(vectors) && std::isfinite(f.depth + f.id + f.roughness + f.shadows + f.ao);
}

// Sums in double precision, so that long renderings converge.
struct Sum3 {
    double x = 0.0;
    double y = 0.0;
    double z = 0.0;

    RND_HD void add(const Vec3& v) {
        x += static_cast<double>(v.x);
        y += static_cast<double>(v.y);
        z += static_cast<double>(v.z);
    }
    RND_HD Vec3 mean(double count) const {
        return {static_cast<float>(x / count), static_cast<float>(y / count), static_cast<float>(z / count)};
    }
};

// All samples of one pixel.
class PixelSums {
  public:
    // A sample that is not finite is left out and counted.
    RND_HD void add(const SampleResult& sample) {
        if (!is_finite(sample)) {
            ++dropped_;
            return;
        }
        const Radiance& r = sample.radiance;
        const Features& f = sample.features;
        direct_.add(r.direct);
        indirect_.add(r.indirect);
        diffuse_.add(r.direct_diffuse);
        diffuse_.add(r.indirect_diffuse);
        position_.add(f.position);
        normal_.add(f.normal);
        albedo_.add(f.albedo);
        mirror_.add(f.mirror);
        mirror_hit_.add(f.mirror_hit);
        mirror_normal_.add(f.mirror_normal);
        distance_.add({f.depth, f.id, f.roughness});
        visibility_.add({f.shadows, f.ao, 0.0f});
        count_ += 1.0;
    }

    // The means, buffer by buffer. A pixel without a single valid sample is black.
    RND_HD void resolve(Vec3* out) const;  // out[kBufferCount]

    RND_HD uint32_t dropped() const { return dropped_; }

  private:
    Sum3 direct_, indirect_, diffuse_, position_, normal_, albedo_, mirror_, mirror_hit_, mirror_normal_;
    Sum3 distance_;    // depth, id, roughness
    Sum3 visibility_;  // shadows, ao
    double count_ = 0.0;
    uint32_t dropped_ = 0;
};

// Splits `total` into `part` and the rest such that both add up to it without rounding. The larger summand comes from
// a subtraction whose error the smaller one then takes: that second difference is exact (Sterbenz).
RND_HD float split_exactly(float total, float& part) {
    const float rest = total - minimum(part, total);
    part = total - rest;
    return rest;
}

RND_HD void PixelSums::resolve(Vec3* out) const {
    const auto at = [out](Buffer buffer) -> Vec3& { return out[static_cast<uint32_t>(buffer)]; };
    const double count = count_ > 0.0 ? count_ : 1.0;
    const Vec3 direct = direct_.mean(count);
    const Vec3 indirect = indirect_.mean(count);
    const Vec3 beauty = direct + indirect;
    Vec3 diffuse = diffuse_.mean(count);
    const Vec3 specular{split_exactly(beauty.x, diffuse.x), split_exactly(beauty.y, diffuse.y),
                        split_exactly(beauty.z, diffuse.z)};
    at(Buffer::beauty) = beauty;
    at(Buffer::direct) = direct;
    at(Buffer::indirect) = indirect;
    at(Buffer::diffuse) = diffuse;
    at(Buffer::specular) = specular;
    at(Buffer::position) = position_.mean(count);
    at(Buffer::normal) = normal_.mean(count);
    at(Buffer::albedo) = albedo_.mean(count);
    at(Buffer::mirror) = mirror_.mean(count);
    at(Buffer::mirror_hit) = mirror_hit_.mean(count);
    at(Buffer::mirror_normal) = mirror_normal_.mean(count);
    const Vec3 distance = distance_.mean(count);
    const Vec3 visibility = visibility_.mean(count);
    at(Buffer::depth) = {distance.x, 0.0f, 0.0f};
    at(Buffer::id) = {distance.y, 0.0f, 0.0f};
    at(Buffer::roughness) = {distance.z, 0.0f, 0.0f};
    at(Buffer::shadows) = {visibility.x, 0.0f, 0.0f};
    at(Buffer::ao) = {visibility.y, 0.0f, 0.0f};
}

}  // namespace rnd
