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
template <class F>
struct Radiance {
    Vector3<F> direct;
    Vector3<F> indirect;
    Vector3<F> direct_diffuse;
    Vector3<F> indirect_diffuse;
};

// What one sample sees at the first hit. The defaults are what a ray into the void leaves behind: nothing shades it.
template <class F>
struct Features {
    Vector3<F> position;
    Vector3<F> normal;
    F depth{};
    F id{};
    Vector3<F> albedo;
    F roughness{};
    Vector3<F> mirror;
    Vector3<F> mirror_hit;
    Vector3<F> mirror_normal;
    F shadows = spread<F>(1.0f);
    F ao = spread<F>(1.0f);
};

template <class F>
struct SampleResult {
    Radiance<F> radiance;
    Features<F> features;
};

inline constexpr uint32_t kValuesPerSample = sizeof(SampleResult<float>) / sizeof(float);

// The numbers of samples in a row, in the order in which `SampleResult` names them.
template <class F>
struct SampleValues {
    F at[kValuesPerSample];

    RND_HD static SampleValues of(const SampleResult<F>& result) {
        static_assert(sizeof(SampleValues) == sizeof(result));
        SampleValues values;
        __builtin_memcpy(&values, &result, sizeof(values));
        return values;
    }
    RND_HD SampleResult<F> result() const {
        SampleResult<F> result;
        __builtin_memcpy(static_cast<void*>(&result), this, sizeof(result));
        return result;
    }
};

template <class M, class F>
RND_HD SampleResult<F> select(const M& mask, const SampleResult<F>& a, const SampleResult<F>& b) {
    SampleValues<F> chosen = SampleValues<F>::of(a);
    const SampleValues<F> other = SampleValues<F>::of(b);
    for (uint32_t i = 0; i < kValuesPerSample; ++i) chosen.at[i] = select(mask, chosen.at[i], other.at[i]);
    return chosen.result();
}

// Samples of which those that are not finite are left out.
template <class F>
struct ValidSamples {
    SampleValues<F> values;
    LaneArray<F> valid;  // 1 or 0

    RND_HD static ValidSamples of(const SampleResult<F>& result) {
        ValidSamples samples{SampleValues<F>::of(result), {}};
        MaskOf<F> finite = is_finite(samples.values.at[0]);
        for (uint32_t i = 1; i < kValuesPerSample; ++i) finite = finite & is_finite(samples.values.at[i]);
        if (!all(finite)) {
            for (F& value : samples.values.at) value = select(finite, value, F{});
        }
        samples.valid.store(select(finite, spread<F>(1.0f), F{}));
        return samples;
    }
};

// All samples of one pixel. Sums in double precision, so that long renderings converge.
class PixelSums {
  public:
    // The lanes [first, end). Samples that are not finite are counted.
    template <class F>
    RND_HD void add(const ValidSamples<F>& samples, int first, int end) {
        for (uint32_t i = 0; i < kValuesPerSample; ++i) sums_[i] += Number<F>::sum(samples.values.at[i], first, end);
        for (int lane = first; lane < end; ++lane) ++(samples.valid.at[lane] != 0.0f ? count_ : dropped_);
    }

    // The means, buffer by buffer. A pixel without a single valid sample is black.
    RND_HD void resolve(Vec3* out) const;  // out[kBufferCount]

    RND_HD uint32_t dropped() const { return dropped_; }
    RND_HD uint32_t valid() const { return count_; }
    // Luminance (Rec. 709) of the beauty of all valid samples together.
    RND_HD double luminance_sum() const {
        using Sums = Radiance<float>;
        static_assert(offsetof(Sums, direct) == 0 && offsetof(Sums, indirect) == 3 * sizeof(float));
        static_assert(offsetof(SampleResult<float>, radiance) == 0);
        return 0.2126 * (sums_[0] + sums_[3]) + 0.7152 * (sums_[1] + sums_[4]) + 0.0722 * (sums_[2] + sums_[5]);
    }

  private:
    RND_HD SampleResult<float> mean() const {
        SampleValues<float> values;
        const double count = count_ > 0 ? static_cast<double>(count_) : 1.0;
        for (uint32_t i = 0; i < kValuesPerSample; ++i) values.at[i] = static_cast<float>(sums_[i] / count);
        return values.result();
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
    const SampleResult<float> sample = mean();
    const Radiance<float>& radiance = sample.radiance;
    const Features<float>& features = sample.features;
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
