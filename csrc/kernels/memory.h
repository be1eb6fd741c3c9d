// Zeroed memory on a 64-byte boundary; large pieces ask the system for huge pages.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sw {

constexpr size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

class Buffer {
public:
    Buffer() = default;
    explicit Buffer(size_t size_bytes);   // throws std::bad_alloc
    Buffer(Buffer&& other) noexcept : data_(other.data_), size_bytes_(other.size_bytes_) { other.data_ = nullptr; other.size_bytes_ = 0; }
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();
    template <class T = uint8_t>
    T* as() const { return reinterpret_cast<T*>(data_); }
    size_t size_bytes() const { return size_bytes_; }

private:
    uint8_t* data_ = nullptr;
    size_t size_bytes_ = 0;
};

}  // namespace sw
