// Textures: linear pixels, RGB or gray, row 0 at the top, v upwards, repeating.
#pragma once

#include <cstdint>

#include "core/vector.h"

namespace rnd {

struct TextureView {
    const float* pixels = nullptr;  // [height, width, channels]
    int32_t width = 0;
    int32_t height = 0;
    int32_t channels = 3;  // 3, or 1 for gray
};

RND_HD int32_t wrap_index(float coordinate, int32_t size) {
    const float wrapped = coordinate - std::floor(coordinate / static_cast<float>(size)) * static_cast<float>(size);
    // So far out that neighboring numbers lie more than a texture apart, rounding can leave anything.
    if (!(wrapped >= 0.0f && wrapped < static_cast<float>(size))) return 0;
    return static_cast<int32_t>(wrapped);
}

RND_HD Vec3 texel(const TextureView& texture, int32_t x, int32_t y) {
    const float* p = texture.pixels + texture.channels * (static_cast<int64_t>(y) * texture.width + x);
    return texture.channels == 1 ? Vec3{p[0], p[0], p[0]} : Vec3{p[0], p[1], p[2]};
}

// Bilinear lookup; texel centres lie at (x + 1/2, y + 1/2), so that a texture tiles without a seam.
RND_HD Vec3 lookup(const TextureView& texture, const Vec2& uv) {
    const float x = uv.x * static_cast<float>(texture.width) - 0.5f;
    const float y = (1.0f - uv.y) * static_cast<float>(texture.height) - 0.5f;
    if (!std::isfinite(x) || !std::isfinite(y)) return {};
    const float fx = std::floor(x);
    const float fy = std::floor(y);
    const int32_t x0 = wrap_index(fx, texture.width);
    const int32_t y0 = wrap_index(fy, texture.height);
    const int32_t x1 = x0 + 1 < texture.width ? x0 + 1 : 0;
    const int32_t y1 = y0 + 1 < texture.height ? y0 + 1 : 0;
    const float wx = x - fx;
    const float wy = y - fy;
    const Vec3 top = texel(texture, x0, y0) * (1.0f - wx) + texel(texture, x1, y0) * wx;
    const Vec3 bottom = texel(texture, x0, y1) * (1.0f - wx) + texel(texture, x1, y1) * wx;
    return top * (1.0f - wy) + bottom * wy;
}

}  // namespace rnd
