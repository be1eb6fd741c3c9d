// The bounds of every number of a model's description, and how one beyond them is refused.
// Far above any model of this project, low enough that no product of two overflows a size.
#pragma once

#include <cstdint>
#include <string>

#include "file/error.h"

namespace sw {

constexpr int64_t kMostWidth = 1 << 17, kMostLayers = 1024, kMostContext = 1 << 24, kMostVocabulary = 1 << 24,
                  kMostFeedForward = 1 << 20, kMostHeads = 4096, kMostHeadWidth = 1024;

[[noreturn]] inline void refuse(const std::string& law, const std::string& got, const std::string& place) {
    throw Error("bad_model", law + ". Got " + got + " in " + place + ".");
}

inline int bounded(int64_t value, int64_t most, const std::string& place, int64_t least = 1) {
    if (value < least || value > most)
        refuse("a size must be from " + std::to_string(least) + " to " + std::to_string(most), std::to_string(value), place);
    return (int)value;
}

inline float positive(double value, const std::string& place) {
    if (!(value > 0) || !(value < 1e30)) refuse("a number must be positive and finite", std::to_string(value), place);
    return (float)value;
}

}  // namespace sw
