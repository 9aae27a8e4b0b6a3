// The image buffers, and what one pixel gathers for them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/vector.h"

namespace rnd {

// In the order of cnsr/buffers.py.
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

inline constexpr float kLargestFloat = 0x1.fffffep127f;
inline constexpr uint32_t kValuesPerSample = sizeof(SampleResult) / sizeof(float);

// All samples of one pixel. Sums in double precision, so that long renderings converge.
class PixelSums {
  public:
    // A sample that is not finite is left out and counted.
    RND_HD void add(const SampleResult& sample) {
        float values[kValuesPerSample];
        __builtin_memcpy(values, &sample, sizeof(values));
        uint32_t wrong = 0;
        for (const float value : values) wrong |= std::fabs(value) <= kLargestFloat ? 0u : 1u;
        if (wrong != 0) {
            ++dropped_;
            return;
        }
        for (uint32_t i = 0; i < kValuesPerSample; ++i) sums_[i] += static_cast<double>(values[i]);
        ++count_;
    }

    // The means, buffer by buffer. A pixel without a single valid sample is black.
    RND_HD void resolve(Vec3* out) const;  // out[kBufferCount]

    RND_HD uint32_t dropped() const { return dropped_; }
    RND_HD uint32_t valid() const { return count_; }
    // Luminance (Rec. 709) of the beauty of all valid samples together.
    RND_HD double luminance_sum() const {
        static_assert(offsetof(Radiance, direct) == 0 && offsetof(Radiance, indirect) == 3 * sizeof(float));
        static_assert(offsetof(SampleResult, radiance) == 0);
        return 0.2126 * (sums_[0] + sums_[3]) + 0.7152 * (sums_[1] + sums_[4]) + 0.0722 * (sums_[2] + sums_[5]);
    }

  private:
    RND_HD SampleResult mean() const {
        float values[kValuesPerSample];
        const double count = count_ > 0 ? static_cast<double>(count_) : 1.0;
        for (uint32_t i = 0; i < kValuesPerSample; ++i) values[i] = static_cast<float>(sums_[i] / count);
        SampleResult result;
        __builtin_memcpy(&result, values, sizeof(values));
        return result;
    }

    double sums_[kValuesPerSample] = {};
    uint32_t count_ = 0;
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
    const SampleResult sample = mean();
    const Radiance& radiance = sample.radiance;
    const Features& features = sample.features;
    const Vec3 beauty = radiance.direct + radiance.indirect;
    Vec3 diffuse = radiance.direct_diffuse + radiance.indirect_diffuse;
    const Vec3 specular{split_exactly(beauty.x, diffuse.x), split_exactly(beauty.y, diffuse.y),
                        split_exactly(beauty.z, diffuse.z)};
    at(Buffer::beauty) = beauty;
    at(Buffer::direct) = radiance.direct;
    at(Buffer::indirect) = radiance.indirect;
    at(Buffer::diffuse) = diffuse;
    at(Buffer::specular) = specular;
    at(Buffer::position) = features.position;
    at(Buffer::normal) = features.normal;
    at(Buffer::albedo) = features.albedo;
    at(Buffer::mirror) = features.mirror;
    at(Buffer::mirror_hit) = features.mirror_hit;
    at(Buffer::mirror_normal) = features.mirror_normal;
    at(Buffer::depth).x = features.depth;
    at(Buffer::id).x = features.id;
    at(Buffer::roughness).x = features.roughness;
    at(Buffer::shadows).x = features.shadows;
    at(Buffer::ao).x = features.ao;
}

}  // namespace rnd
