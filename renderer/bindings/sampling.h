#pragma once

#include <pybind11/pybind11.h>

namespace rnd::bindings {

void bind_sampling(pybind11::module_& module);

}  // namespace rnd::bindings
