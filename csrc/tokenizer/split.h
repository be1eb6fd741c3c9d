// Where text is cut into words before byte-level BPE: the patterns of GPT-2, Llama 3, Qwen2 and SmolLM.
// Enters: code points. Leaves: where each word ends. Not here: what a word becomes (bpe.h).
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "tokenizer/unicode.h"

namespace sw {

enum class Split { gpt2, llama3, qwen2, smollm };

// False when there is no split of that name.
bool find_split(std::string_view name, Split& out);

// Calls `on_word(begin, end)` for every word in order; the words cover all code points.
void split_words(Split split, const Codes& codes, const std::function<void(size_t, size_t)>& on_word);

}  // namespace sw
