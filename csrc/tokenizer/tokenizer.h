// Text to tokens and back, equal to the `tokenizers` library: byte-level BPE and WordPiece.
// Enters: the package's native vocabulary keys and the TokenizerSpec JSON. Leaves: token ids, bytes of text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sw {

class File;

class Tokenizer {
public:
    // Uses the key smallwright.tokenizer where present, else what tokenizer.ggml.{model,pre,...} imply.
    // Throws Error kinds "bad_tokenizer", "unsupported_tokenizer".
    static std::unique_ptr<Tokenizer> create(const File& file);
    virtual ~Tokenizer() = default;

    // Any bytes are accepted; invalid UTF-8 sequences are read as U+FFFD. `add_special`: put prefix and suffix around
    // and recognise special tokens inside the text.
    virtual std::vector<int32_t> encode(std::string_view text, bool add_special) const = 0;
    // Bytes of one token as it continues a text (a byte-level token may be half a character). Special tokens: empty.
    virtual std::string decode_token(int32_t token) const = 0;
    // Whole sequences, special tokens skipped, invalid UTF-8 replaced.
    virtual std::string decode(const std::vector<int32_t>& tokens) const = 0;
    virtual int32_t vocabulary() const = 0;
    virtual int32_t end_token() const = 0;      // tokenizer.ggml.eos_token_id, -1 when none
    virtual size_t suffix_size() const = 0;     // how many tokens stand behind every text encoded with add_special
};

// Each character in small letters, as Unicode has them without regard to its neighbours; invalid UTF-8 replaced.
std::string to_lowercase(std::string_view text);

}  // namespace sw
