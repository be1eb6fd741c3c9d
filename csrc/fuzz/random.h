// Random numbers that are the same everywhere, so that a failure can be played again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sw_fuzz {

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {   // splitmix64
        uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    size_t below(size_t limit) { return limit ? static_cast<size_t>(next() % limit) : 0; }
    template <class T>
    const T& of(const std::vector<T>& items) { return items[below(items.size())]; }

private:
    uint64_t state_;
};

}  // namespace sw_fuzz
