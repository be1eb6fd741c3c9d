// Small valid packages to start from: both tasks, every tensor type, both tokenizers, our keys and llama.cpp's alone.
// Enters: nothing. Leaves: the bytes of GGUF files. Not here: changing them (mutate.cpp).
#pragma once

#include <cstdint>
#include <vector>

namespace sw_fuzz {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> make_packages();

}  // namespace sw_fuzz
