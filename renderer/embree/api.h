// What differs between Embree 3 and Embree 4, and owners of Embree's reference-counted objects.
#pragma once

#if __has_include(<embree4/rtcore.h>)
#include <embree4/rtcore.h>
#else
#include <embree3/rtcore.h>
#endif

#include <utility>

namespace rnd::embree {

#if RTC_VERSION_MAJOR >= 4

inline void intersect(RTCScene scene, RTCRayHit& ray_hit) {
    rtcIntersect1(scene, &ray_hit);
}
inline void occluded(RTCScene scene, RTCRay& ray) {
    rtcOccluded1(scene, &ray);
}

#else

inline void intersect(RTCScene scene, RTCRayHit& ray_hit) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    rtcIntersect1(scene, &context, &ray_hit);
}

inline void occluded(RTCScene scene, RTCRay& ray) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    rtcOccluded1(scene, &context, &ray);
}

#endif

template <class Handle, void (*Release)(Handle)>
class Owner {
  public:
    Owner() = default;
    explicit Owner(Handle handle) : handle_(handle) {}
    Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner& operator=(Owner&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Owner() {
        if (handle_ != nullptr) Release(handle_);
    }
    Handle get() const { return handle_; }

  private:
    Handle handle_ = nullptr;
};

using DeviceOwner = Owner<RTCDevice, rtcReleaseDevice>;
using SceneOwner = Owner<RTCScene, rtcReleaseScene>;
using GeometryOwner = Owner<RTCGeometry, rtcReleaseGeometry>;

}  // namespace rnd::embree
