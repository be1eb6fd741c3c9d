// Small valid packages to start from: both tasks, every tensor type, all tokenizers, our keys (with token pairs) and
// llama.cpp's alone (windows, soft caps, biases, norms of heads, rotary factors, tied and untied heads).
// Enters: nothing. Leaves: the bytes of GGUF files. Not here: changing them (mutate.cpp).
#pragma once

#include <cstdint>
#include <vector>

namespace sw_fuzz {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> make_packages();

}  // namespace sw_fuzz
