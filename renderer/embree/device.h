// An Embree device. Everything made from it keeps it alive.
#pragma once

#include <memory>

#include "embree/api.h"

namespace rnd::embree {

class Device {
  public:
    // Throws RenderFault.
    static std::shared_ptr<Device> create();

    RTCDevice handle() const { return owner_.get(); }
    // Throws RenderFault if Embree reported an error on this thread since the last check.
    void check(const char* action) const;

  private:
    explicit Device(DeviceOwner owner) : owner_(std::move(owner)) {}

    DeviceOwner owner_;
};

}  // namespace rnd::embree
