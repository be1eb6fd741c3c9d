// Shared by the parts of the binding.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

namespace sw_bind {

nanobind::object rows(size_t count, size_t width, std::unique_ptr<float[]> data);   // (count, width) float32 array
std::unique_ptr<float[]> allocate(size_t count, size_t width);                      // zeros
void bind_kernels(nanobind::module_& m);

}  // namespace sw_bind
