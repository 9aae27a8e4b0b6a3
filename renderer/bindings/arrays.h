// NumPy arrays as the core's vectors.
#pragma once

#include <pybind11/numpy.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/vector.h"

namespace rnd::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

static_assert(sizeof(Vec2) == 2 * sizeof(float) && sizeof(Vec3) == 3 * sizeof(float));

// Raises ValueError unless `array` is [n, columns].
template <class T>
void check_matrix(const Array<T>& array, py::ssize_t columns, const char* name) {
    if (array.ndim() != 2 || array.shape(1) != columns) {
        throw py::value_error(std::string(name) + " must have the shape [n, " + std::to_string(columns) + "]");
    }
}

// The rows of an [n, k] array as vectors of `V`, which holds k numbers of type T; empty for None.
template <class V, class T>
std::vector<V> rows_of(const std::optional<Array<T>>& array, const char* name) {
    if (!array) return {};
    check_matrix(*array, static_cast<py::ssize_t>(sizeof(V) / sizeof(T)), name);
    std::vector<V> rows(static_cast<size_t>(array->shape(0)));
    if (!rows.empty()) std::memcpy(static_cast<void*>(rows.data()), array->data(), rows.size() * sizeof(V));
    return rows;
}

inline py::array_t<float> new_matrix(size_t rows, size_t columns) {
    return py::array_t<float>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
}

inline py::array_t<float> new_column(size_t rows) {
    return py::array_t<float>(static_cast<py::ssize_t>(rows));
}

inline void store(float* out, size_t row, const Vec3& v) {
    out[3 * row] = v.x;
    out[3 * row + 1] = v.y;
    out[3 * row + 2] = v.z;
}

}  // namespace rnd::bindings
