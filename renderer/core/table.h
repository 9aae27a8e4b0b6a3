// Numbers of many things, a row for each field and in it a number for each thing: lanes look up different things at
// once.
#pragma once

#include "core/vector.h"

namespace rnd {

// Rows are so many numbers apart, or a multiple: whole vectors of any width.
inline constexpr int32_t kRowMultiple = 16;

template <class Field>
struct Table {
    const float* numbers = nullptr;
    int32_t stride = 0;  // from row to row
    int32_t count = 0;   // of things
};

// How many numbers a table of `count` things has.
template <class Field>
RND_HD int64_t table_size(int32_t count) {
    return static_cast<int64_t>(Field::end) * ((count + kRowMultiple - 1) / kRowMultiple * kRowMultiple);
}

// Writes a table of `count` things into `numbers`, which are zeros and as many as `table_size` says.
template <class Field>
class TableWriter {
  public:
    RND_HD TableWriter(float* numbers, int32_t count)
        : numbers_(numbers),
          stride_(static_cast<int32_t>(table_size<Field>(count) / static_cast<int64_t>(Field::end))),
          count_(count) {}

    RND_HD void set(Field field, int32_t i, float number) { at(static_cast<int32_t>(field), i) = number; }
    // In the field's row and the two after it.
    RND_HD void set(Field field, int32_t i, const Vec3& vector) {
        const auto row = static_cast<int32_t>(field);
        at(row, i) = vector.x;
        at(row + 1, i) = vector.y;
        at(row + 2, i) = vector.z;
    }
    RND_HD Table<Field> table() const { return {numbers_, stride_, count_}; }

  private:
    RND_HD float& at(int32_t row, int32_t i) { return numbers_[int64_t{row} * stride_ + i]; }

    float* numbers_;
    int32_t stride_;
    int32_t count_;
};

// One thing of a table in each lane. `index` must be within [0, count) in all lanes.
template <class F, class Field>
struct Row {
    const Table<Field>& table;
    const IntOf<F>& index;

    RND_HD F number(Field field) const { return at(static_cast<int32_t>(field)); }
    RND_HD IntOf<F> integer(Field field) const { return Number<F>::to_int(number(field)); }
    // Of the field's row and the two after it.
    RND_HD Vector3<F> vector(Field field) const {
        const auto first = static_cast<int32_t>(field);
        return {at(first), at(first + 1), at(first + 2)};
    }

  private:
    RND_HD F at(int32_t row) const {
        return Number<F>::lookup(table.numbers + int64_t{row} * table.stride, index, table.count);
    }
};

}  // namespace rnd
