// A GGUF file, mapped and validated. Every offset, count and size is checked before use: files are hostile until
// this constructor returns. Throws sw::Error with a stable kind name.
// Enters: a path. Leaves: typed metadata and tensor views into the mapping. Not here: what the numbers mean to a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "file/error.h"

namespace sw {

// GGML tensor types that the engine reads. Values are the container's own.
enum class Type : uint32_t {
    f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q4_k = 12, q5_k = 13, q6_k = 14, iq4_nl = 20,
    i8 = 24, i32 = 26, bf16 = 30
};

struct Layout {
    const char* name;
    uint64_t block;         // numbers in one block; 1: plain numbers
    uint64_t block_bytes;   // bytes of one block
};
const Layout& layout_of(Type type);

struct Tensor {
    std::string_view name;
    Type type;
    int n_dims;
    uint64_t dims[4];      // dims[0] is the contiguous one: D_in of a linear layer; unused dims are 1
    const uint8_t* data;   // inside the mapping, aligned to the file's alignment
    uint64_t size_bytes;   // exact
};

class File {
public:
    static File open(const std::string& path);                       // maps the file
    static File parse(const uint8_t* bytes, uint64_t size_bytes);    // borrows memory (fuzzing); lives as long as it
    File(File&&) noexcept;
    File& operator=(File&&) noexcept;
    ~File();

    // Metadata. The `find_` forms return false when the key is absent and throw kind "wrong_type" when it is there
    // with another type (any integer type is accepted where an integer is asked for, if the value fits).
    bool find_string(std::string_view key, std::string_view& out) const;
    bool find_uint(std::string_view key, uint64_t& out) const;
    bool find_float(std::string_view key, float& out) const;
    bool find_bool(std::string_view key, bool& out) const;
    bool find_strings(std::string_view key, std::vector<std::string_view>& out) const;
    bool find_uints(std::string_view key, std::vector<uint64_t>& out) const;   // array of any integer type
    bool find_bools(std::string_view key, std::vector<bool>& out) const;   // false too when the key holds no array
    bool find_floats(std::string_view key, std::vector<float>& out) const;
    // The `get_` forms throw kind "missing_key".
    std::string_view get_string(std::string_view key) const;
    uint64_t get_uint(std::string_view key) const;

    const Tensor* find_tensor(std::string_view name) const;   // null when absent
    const Tensor& get_tensor(std::string_view name) const;    // throws kind "missing_tensor"
    const std::vector<Tensor>& tensors() const;
    std::vector<std::string_view> keys() const;
    uint64_t size_bytes() const;
    const uint8_t* bytes() const;   // all of them
    // Tells the system that the pages of a tensor's data are not needed any more (after repacking).
    void release(const Tensor&) const;

private:
    File();
    struct Impl;
    Impl* impl_;
};

}  // namespace sw
