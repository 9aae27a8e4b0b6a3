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

// The numbers of a sample stand in a row, in the order in which `SampleResult` names them.
inline constexpr uint32_t kValuesPerSample = sizeof(SampleResult<float>) / sizeof(float);

template <class F>
RND_HD F value_at(const SampleResult<F>& result, uint32_t i) {
    F value;
    __builtin_memcpy(&value, reinterpret_cast<const char*>(&result) + i * sizeof(F), sizeof(F));
    return value;
}
template <class F>
RND_HD void set_value_at(SampleResult<F>& result, uint32_t i, const F& value) {
    __builtin_memcpy(reinterpret_cast<char*>(&result) + i * sizeof(F), &value, sizeof(F));
}

// Which of these numbers matter.
struct ValueList {
    uint32_t count = 0;
    uint8_t at[kValuesPerSample] = {};

    RND_HD void add(size_t offset, uint32_t values) {
        const auto first = static_cast<uint32_t>(offset / sizeof(float));
        for (uint32_t i = first; i < first + values; ++i) at[count++] = static_cast<uint8_t>(i);
    }
};

// What buffers are made of. It always begins with direct and indirect light, from which errors are estimated.
RND_HD ValueList values_of(uint32_t buffers) {
    using Sample = SampleResult<float>;
    const auto wanted = [buffers](Buffer buffer) { return (buffers & bit(buffer)) != 0; };
    ValueList list;
    static_assert(offsetof(Sample, radiance.indirect) == offsetof(Sample, radiance.direct) + 3 * sizeof(float));
    list.add(offsetof(Sample, radiance.direct), 6);
    if (wanted(Buffer::diffuse) || wanted(Buffer::specular)) list.add(offsetof(Sample, radiance.direct_diffuse), 6);
    if (wanted(Buffer::position)) list.add(offsetof(Sample, features.position), 3);
    if (wanted(Buffer::normal)) list.add(offsetof(Sample, features.normal), 3);
    if (wanted(Buffer::depth)) list.add(offsetof(Sample, features.depth), 1);
    if (wanted(Buffer::id)) list.add(offsetof(Sample, features.id), 1);
    if (wanted(Buffer::albedo)) list.add(offsetof(Sample, features.albedo), 3);
    if (wanted(Buffer::roughness)) list.add(offsetof(Sample, features.roughness), 1);
    if (wanted(Buffer::mirror)) list.add(offsetof(Sample, features.mirror), 3);
    if (wanted(Buffer::mirror_hit)) list.add(offsetof(Sample, features.mirror_hit), 3);
    if (wanted(Buffer::mirror_normal)) list.add(offsetof(Sample, features.mirror_normal), 3);
    if (wanted(Buffer::shadows)) list.add(offsetof(Sample, features.shadows), 1);
    if (wanted(Buffer::ao)) list.add(offsetof(Sample, features.ao), 1);
    return list;
}

template <class M, class F>
RND_HD SampleResult<F> select(const M& mask, const SampleResult<F>& a, const SampleResult<F>& b) {
    SampleResult<F> chosen = a;
    for (uint32_t i = 0; i < kValuesPerSample; ++i) {
        set_value_at(chosen, i, select(mask, value_at(a, i), value_at(b, i)));
    }
    return chosen;
}

// The listed values of samples, but for those samples where one of them is not finite.
template <class F>
struct ValidSamples {
    F values[kValuesPerSample];  // in the order of the list
    LaneArray<F> valid;          // 1 or 0

    RND_HD ValidSamples(const SampleResult<F>& result, const ValueList& list) {
        MaskOf<F> finite = !MaskOf<F>{};
        for (uint32_t i = 0; i < list.count; ++i) {
            values[i] = value_at(result, list.at[i]);
            finite = finite & is_finite(values[i]);
        }
        if (!all(finite)) {
            for (uint32_t i = 0; i < list.count; ++i) values[i] = select(finite, values[i], F{});
        }
        valid.store(select(finite, spread<F>(1.0f), F{}));
    }
};

// All samples of one pixel. Sums in double precision, so that long renderings converge.
class PixelSums {
  public:
    // The lanes [first, end). Samples that are not finite are counted.
    template <class F>
    RND_HD void add(const ValidSamples<F>& samples, const ValueList& list, int first, int end) {
        for (uint32_t i = 0; i < list.count; ++i) sums_[i] += Number<F>::sum(samples.values[i], first, end);
        for (int lane = first; lane < end; ++lane) ++(samples.valid.at[lane] != 0.0f ? count_ : dropped_);
    }

    // The means, buffer by buffer, of the values of `list`; 0 of others. A pixel without a single valid sample is
    // black.
    RND_HD void resolve(const ValueList& list, Vec3* out) const;  // out[kBufferCount]

    RND_HD uint32_t dropped() const { return dropped_; }
    RND_HD uint32_t valid() const { return count_; }
    // Luminance (Rec. 709) of the beauty of all valid samples together.
    RND_HD double luminance_sum() const {
        // Every list begins with direct and indirect light.
        return 0.2126 * (sums_[0] + sums_[3]) + 0.7152 * (sums_[1] + sums_[4]) + 0.0722 * (sums_[2] + sums_[5]);
    }

  private:
    RND_HD SampleResult<float> mean(const ValueList& list) const {
        SampleResult<float> result{};
        const double count = count_ > 0 ? static_cast<double>(count_) : 1.0;
        for (uint32_t i = 0; i < list.count; ++i) {
            set_value_at(result, list.at[i], static_cast<float>(sums_[i] / count));
        }
        return result;
    }

    double sums_[kValuesPerSample] = {};  // of the listed values
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

RND_HD void PixelSums::resolve(const ValueList& list, Vec3* out) const {
    const auto at = [out](Buffer buffer) -> Vec3& { return out[static_cast<uint32_t>(buffer)]; };
    const SampleResult<float> sample = mean(list);
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
