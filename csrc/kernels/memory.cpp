#include "kernels/memory.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sw {
namespace {

#if defined(__linux__)
constexpr size_t kHugePage = 2u << 20;
bool is_mapped(size_t size_bytes) { return size_bytes >= 2 * kHugePage; }
#else
bool is_mapped(size_t) { return false; }
#endif

}  // namespace

Buffer::Buffer(size_t size_bytes) : size_bytes_(size_bytes) {
    if (size_bytes == 0) return;
    if (size_bytes > std::numeric_limits<size_t>::max() / 2) throw std::bad_alloc();
#if defined(__linux__)
    if (is_mapped(size_bytes)) {
        void* const at = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
        madvise(at, size_bytes, MADV_HUGEPAGE);   // where refused, small pages do
#endif
        data_ = static_cast<uint8_t*>(at);
        return;
    }
#endif
    const size_t whole = round_up(size_bytes, 64);
    data_ = static_cast<uint8_t*>(std::aligned_alloc(64, whole));
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, whole);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
}

Buffer::~Buffer() {
#if defined(__linux__)
    if (data_ && is_mapped(size_bytes_)) {
        munmap(data_, size_bytes_);
        return;
    }
#endif
    std::free(data_);
}

}  // namespace sw
