// A model compiled to a flat list of operations over the buffers of a pass.
// Enters: a ModelSpec and a validated file. Leaves: Weights (packed) and Plan. Not here: running it (session).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/spec.h"
#include "engine/tiles.h"
#include "file/gguf.h"
#include "kernels/memory.h"
#include "kernels/pack.h"

namespace sw {

struct Linear {
    PackedMatrix w;
    std::vector<float> bias;   // empty: none
    const float* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
};

struct Norm {
    std::vector<float> weight, bias;   // bias: layer norms
};

struct LayerWeights {
    Norm mixer_norm, feedforward_norm;
    Norm mixer_post_norm, feedforward_post_norm;   // of what is added to x; empty without post_norms
    std::vector<float> q_norm, k_norm;
    Linear q, k, v, output, gate, up, down;
};

struct Weights {
    Table table;     // token rows in the file; none when tied: then they are read from the head
    Table bigrams;   // rows of token pairs in the file, or none
    const float* positions = nullptr;   // (positions, width), in the file or in position_rows; null: rotary
    std::vector<float> position_rows;
    std::vector<float> token_type;   // row 0
    std::vector<float> rotary_factors;   // rope_freqs.weight: divisors of the frequencies; empty: none
    Norm embedding_norm, final_norm;
    std::vector<LayerWeights> layers;
    Linear pooler, head;
    uint64_t parameters = 0;
    std::map<std::string, Format, std::less<>> planes;   // by name: matrices that the file holds in planes
    Buffer panels;   // of all matrices, in the order of a pass; empty when they are used in place, or mapped
    Tiles tiles;     // the same, mapped
    size_t packed_bytes() const { return panels.size_bytes() + tiles.size_bytes(); }

    // Every tensor that the description demands, checked; then packed by all cores, unless `in_place`, or unless tiles lie beside
    // the file at `path` (empty: do not look).
    static Weights load(const File& file, const ModelSpec& spec, bool in_place, const std::string& path);

private:
    void pack(const File& file, bool in_place, const std::string& path);
};

// Buffers of a pass, all (rows, widest use) float32, and two for quantised rows.
enum class Slot { x, h, q, k, v, mixed, up, gate, pooled, dense, logits, count };
enum class Codes { none, first, second, count };
// How rows become codes, as the weights want it that read them: with a scale for every block, or for every span.
enum class Rounding { none, blocks, spans };

struct Operation {
    enum class Kind {
        embed,      // x = token row (+ row of the pair + position + type)
        norm,       // to = norm(from), then quantised to `codes`
        quantize,   // codes = from
        project,    // to[i] (+)= weight[i] from, up to three weights that share the input
        store,      // the layer's mixer takes the rows into its state
        select,     // keep only the rows that the head needs (x, h and the first codes)
        mix,        // mixed = what the mixer makes of the rows and its state, quantised to the second codes
        feed,       // up = act(up from), or act(gate from) * (up from); quantised to the second codes
        pool,       // pooled = mean of each sequence's rows
        activate,   // to = act(to)
        add,        // to += from
        softcap,    // to = cap tanh(to / cap)
    };
    Kind kind;
    int layer = -1;
    Slot from = Slot::x;
    Slot to[3] = {Slot::x, Slot::x, Slot::x};
    const Linear* weight[3] = {nullptr, nullptr, nullptr};
    int weights = 0;
    bool add = false;
    const Norm* norm = nullptr;
    Codes in = Codes::none, out = Codes::none;
    Rounding rounding = Rounding::none;   // of what goes to `out`
    Activation activation = Activation::tanh;
    int width = 0;       // quantize: codes of a row
    float cap = 0;       // softcap
    bool head = false;   // counts in head_rows
};

struct Plan {
    std::vector<Operation> operations;
    int widths[(int)Slot::count] = {};        // floats a row
    int code_widths[(int)Codes::count] = {};  // codes a row
    uint64_t weights = 0;                     // multiply-adds of a row
    bool selects = false;                     // false: every row reaches the pooling (mean)

    static Plan compile(const ModelSpec& spec, const Weights& weights);
};

}  // namespace sw
