#include "embree/mesh.h"

#include <algorithm>

#include "embree/box.h"
#include "embree/errors.h"

namespace rnd::embree {

std::shared_ptr<Device> Device::create() {
    // One thread builds every acceleration structure: they are small, and their shape must not depend on the machine.
    DeviceOwner owner(rtcNewDevice("threads=1,set_affinity=0"));
    if (owner.get() == nullptr) throw RenderFault("Embree could not be initialised on this CPU");
    return std::shared_ptr<Device>(new Device(std::move(owner)));
}

void Device::check(const char* action) const {
    switch (rtcGetDeviceError(handle())) {
        case RTC_ERROR_NONE:
            return;
        case RTC_ERROR_OUT_OF_MEMORY:
            throw RenderFault(std::string(action) + ": out of memory");
        case RTC_ERROR_UNSUPPORTED_CPU:
            throw RenderFault(std::string(action) + ": Embree does not support this CPU");
        default:
            throw RenderFault(std::string(action) + ": Embree reported an error");
    }
}

namespace {

void check_arrays(const std::vector<Vec3>& positions, const std::vector<Vec3>& normals, const std::vector<Vec2>& uvs,
                  const std::vector<uint32_t>& triangles) {
    if (triangles.empty() || triangles.size() % 3 != 0) throw SceneFault("a mesh needs at least one triangle");
    if (!normals.empty() && normals.size() != positions.size()) throw SceneFault("a mesh needs one normal a vertex");
    if (!uvs.empty() && uvs.size() != positions.size()) {
        throw SceneFault("a mesh needs one texture coordinate a vertex");
    }
    if (!std::ranges::all_of(positions, [](const Vec3& p) { return is_finite(p); })) {
        throw SceneFault("a mesh has a vertex that is not finite");
    }
    if (!std::ranges::all_of(triangles, [&](uint32_t index) { return index < positions.size(); })) {
        throw SceneFault("a mesh has a triangle whose vertex does not exist");
    }
}

// Sorts triangles such that each run of `kLaneCount` of them is compact: half of the runs lie to one side of the middle
// of the longest edge of the box around their centers, and so on.
void sort_compactly(std::span<uint32_t> order, std::span<const Vec3> centers) {
    const size_t runs = (order.size() + kLaneCount - 1) / kLaneCount;
    if (runs < 2) return;
    Box box = empty_box();
    for (const uint32_t triangle : order) extend(box, centers[triangle]);
    const Vec3 extent = box.upper - box.lower;
    const auto along = [&](uint32_t triangle) {
        const Vec3& c = centers[triangle];
        if (extent.x >= extent.y && extent.x >= extent.z) return c.x;
        return extent.y >= extent.z ? c.y : c.z;
    };
    // Equal ones by their number, so that the order is the same everywhere.
    std::ranges::sort(order,
                      [&](uint32_t a, uint32_t b) { return along(a) < along(b) || (along(a) == along(b) && a < b); });
    const size_t half = runs / 2 * kLaneCount;
    sort_compactly(order.first(half), centers);
    sort_compactly(order.subspan(half), centers);
}

std::vector<uint32_t> sorted_compactly(std::span<const Vec3> positions, std::span<const uint32_t> triangles) {
    std::vector<uint32_t> order(triangles.size() / 3);
    std::vector<Vec3> centers(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<uint32_t>(i);
        const uint32_t* corner = &triangles[3 * i];
        centers[i] = (positions[corner[0]] + positions[corner[1]] + positions[corner[2]]) / 3.0f;
    }
    sort_compactly(order, centers);
    return order;
}

}  // namespace

Mesh::Mesh(std::shared_ptr<Device> device, std::vector<Vec3> positions, std::vector<Vec3> normals,
           std::vector<Vec2> uvs, std::vector<uint32_t> triangles)
    : device_(std::move(device)),
      positions_(std::move(positions)),
      normals_(std::move(normals)),
      uvs_(std::move(uvs)),
      triangles_(std::move(triangles)) {
    check_arrays(positions_, normals_, uvs_, triangles_);
    for (const Vec3& p : positions_) {
        reach_ = {maximum(reach_.x, std::fabs(p.x)), maximum(reach_.y, std::fabs(p.y)),
                  maximum(reach_.z, std::fabs(p.z))};
    }
    if (is_small()) compact_order_ = sorted_compactly(positions_, triangles_);
    // Embree reads vertices sixteen bytes at a time: one more keeps the last read within the array.
    positions_.reserve(positions_.size() + 1);
    const GeometryOwner geometry(rtcNewGeometry(device_->handle(), RTC_GEOMETRY_TYPE_TRIANGLE));
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_VERTEX, 0, RTC_FORMAT_FLOAT3, positions_.data(), 0,
                               sizeof(Vec3), positions_.size());
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_INDEX, 0, RTC_FORMAT_UINT3, triangles_.data(), 0,
                               3 * sizeof(uint32_t), triangle_count());
    rtcCommitGeometry(geometry.get());
    scene_ = SceneOwner(rtcNewScene(device_->handle()));
    rtcSetSceneFlags(scene_.get(), RTC_SCENE_FLAG_ROBUST);
    rtcSetSceneBuildQuality(scene_.get(), RTC_BUILD_QUALITY_HIGH);
    rtcAttachGeometry(scene_.get(), geometry.get());
    rtcCommitScene(scene_.get());
    device_->check("building a mesh");
}

MeshView Mesh::view() const {
    return {positions_.data(), normals_.empty() ? nullptr : normals_.data(), uvs_.empty() ? nullptr : uvs_.data(),
            triangles_.data()};
}

Texture::Texture(std::span<const float> rgb, int32_t columns, int32_t rows) : width_(columns), height_(rows) {
    for (size_t i = 0; i < rgb.size(); i += 3) {
        if (rgb[i] != rgb[i + 1] || rgb[i] != rgb[i + 2]) channels_ = 3;
    }
    const size_t step = channels_ == 1 ? 3 : 1;
    pixels_.reserve(rgb.size() / step);
    for (size_t i = 0; i < rgb.size(); i += step) pixels_.push_back(rgb[i]);
}

}  // namespace rnd::embree
