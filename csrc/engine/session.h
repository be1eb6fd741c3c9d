// One user of a model: threads, buffers, the keys and values of a growing text, counters. Not thread-safe.
// Enters: tokens or texts, checked here. Leaves: logits and generated text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/sample.h"
#include "engine/threads.h"

namespace sw {

struct Counters {
    uint64_t weight_bytes_read = 0, tokens = 0, head_rows = 0, passes = 0, kv_bytes = 0, pair_rows = 0;
};

// Keys and values of one sequence in one layer, laid out as the products want them. With `size` 4 (f32) or 2 (f16)
// bytes a number, head h of the keys is [capacity / 16][head_width][16] at keys + h * capacity * head_width * size, and
// of the values [ceil(head_width / 16)][capacity][16].
struct KeyValues {
    uint8_t* keys = nullptr;
    uint8_t* values = nullptr;
    size_t capacity = 0;   // tokens, a multiple of 16
    int size = 4;
};

class Session {
public:
    // threads: 0 (all cores) to 256; kv_bits: 16 or 32. Throws Error kind "bad_argument".
    Session(const Model& model, int threads, int kv_bits);

    const Model& model() const { return model_; }
    Counters counters() const;
    size_t length() const { return length_; }

    // (count, classes) logits of sequences stored one after another; offsets has count + 1 entries.
    // Throws Error kinds "wrong_task", "empty_input", "too_long", "bad_token", "nan_logits".
    void classify(const int32_t* tokens, const size_t* offsets, size_t count, float* logits);
    // Appends to the state; logits null, (count, vocabulary) when all_rows, else (1, vocabulary). On an error the state
    // stays as it was. Throws as classify, and "context_full".
    void append(const int32_t* tokens, size_t count, bool all_rows, float* logits);
    void truncate(size_t length);
    // Returns the number of tokens generated. on_text returns false to stop; its token is -1 in the last call when a
    // text that ends inside a character is completed by U+FFFD.
    int generate(std::string_view prompt, const Sampling& sampling,
                 const std::function<bool(std::string_view, int32_t)>& on_text);

private:
    struct Sequence {
        size_t row = 0, rows = 0;   // of the pass, while it runs
        size_t past = 0;            // tokens in the cache before the pass
        size_t length = 0;          // with those of the pass
        size_t start = 0;           // of its keys in the scratch, in tokens (a multiple of 16)
        size_t capacity = 0;
    };

    // Queries that share keys: several rows of one head, or several heads of one row.
    struct Tile {
        const Sequence* sequence;
        size_t row, rows;
        int head, heads;
    };

    void check_tokens(const int32_t* tokens, size_t count) const;
    void check_finite(const float* logits, size_t count) const;
    void reserve_rows(size_t rows);
    void reserve_cache(size_t tokens);
    void reserve_rotary(size_t positions);
    void reserve_thread_scratch(size_t keys);
    void reserve_feed_scratch(size_t floats);
    // rows_, tokens_ and sequences_ describe the pass; keep_ the rows that reach the head.
    void run_pass(bool cached, float* logits);
    void step(const Operation& op);
    void embed();
    void normalize(const Operation& op);
    void quantize(const Operation& op);
    void project(const Operation& op);
    void store_keys(const Operation& op);
    void select(const Operation& op);
    void attend(const Operation& op);
    void attend_tile(const Operation& op, const Tile& tile, int thread);
    void feed(const Operation& op);
    void feed_columns(const Operation& op, int panel_begin, int panel_end, int thread);
    void pool(const Operation& op);
    // Shares out `units` of work in even runs: f(begin, end, thread).
    template <class F>
    void run_even(int units, F&& f);
    void store_head(const Operation& op, size_t row, int head);
    void add(const Operation& op);
    void cap(float* x, size_t n, float softcap) const;
    KeyValues key_values(int layer, const Sequence& sequence) const;
    float* slot(Slot slot) const { return slots_[(int)slot]; }
    size_t stride(Slot slot) const { return (size_t)model_.plan().widths[(int)slot]; }
    Rows rows_of(Slot from, Codes codes) const;
    void quantize_row(Codes codes, const float* x, size_t row, size_t begin, size_t count);
    void rotate(float* x, int position, const LayerSpec& layer) const;

    const Model& model_;
    const Kernels& kernels_;
    Threads threads_;
    int kv_bits_;
    Counters counters_;

    // the pass
    size_t rows_ = 0;
    bool cached_ = false;
    const int32_t* tokens_ = nullptr;
    std::vector<int32_t> positions_;
    std::vector<Sequence> sequences_;
    std::vector<int> owner_;   // the sequence of every row
    std::vector<size_t> keep_;
    bool store_late_ = false;  // keys and values are stored by the tiles that attend
    size_t scratch_tokens_ = 0;
    std::vector<Tile> tiles_;

    // memory
    size_t row_capacity_ = 0;
    Buffer arena_;
    float* slots_[(int)Slot::count] = {};
    int8_t* codes_[(int)Codes::count] = {};
    float* code_scales_[(int)Codes::count] = {};
    int32_t* code_offsets_[(int)Codes::count] = {};
    int32_t* code_halves_[(int)Codes::count] = {};
    Buffer scratch_keys_, scratch_values_;   // bidirectional: of the layer at hand
    std::vector<Buffer> thread_scores_;
    size_t thread_score_keys_ = 0;
    std::vector<Buffer> thread_feed_;   // twice as many floats: up, then gate
    size_t thread_feed_floats_ = 0;

    // the state of a causal model
    struct LayerCache {
        Buffer keys, values;
    };
    std::vector<LayerCache> cache_;
    size_t cache_capacity_ = 0;
    size_t length_ = 0;

    // angles by head width and frequencies, (positions, width / 2) each
    struct Rotary {
        int width = 0;
        float base = 0, factor = 1;
        bool fits(const LayerSpec& layer) const {
            return width == layer.head_width && base == layer.rotary_base && factor == layer.rotary_factor;
        }
        std::vector<float> frequencies, cos, sin;
    };
    std::vector<Rotary> rotary_;
    size_t rotary_positions_ = 0;
};

}  // namespace sw
