// Faults that a user can mend; the bindings turn them into Python's exceptions.
#pragma once

#include <stdexcept>
#include <string>

namespace rnd {

// The scene is at fault. `what()` names the place in it.
class SceneFault : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// The renderer or the request is at fault.
class RenderFault : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace rnd
