// What the file says the model is: ModelSpec of the Python side, in C++.
// Enters: a file's metadata (the key smallwright.model, or native keys), hostile.
// Leaves: a description whose numbers are bounded and consistent. Not here: the tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "file/gguf.h"
#include "kernels/kernels.h"

namespace sw {

enum class Pooling { first, mean, last, mean_before_norm };

struct LayerSpec {
    int mixer = 0;   // its place in kMixers
    int heads = 0;
    int key_value_heads = 0;
    int head_width = 0;
    bool bias = false;
    bool output_bias = false;
    bool qk_norm = false;
    int feedforward_width = 0;
    bool gated = true;
    bool feedforward_bias = false;
    Activation activation = Activation::silu;
    float rotary_base = 0;     // 0: this layer knows no positions, or the model has learned ones
    float rotary_factor = 1;   // divides every angle
    int window = 0;            // a token sees itself and the window - 1 before it; 0: all before it
    float query_scale = 0;     // of the products of queries and keys
    float score_softcap = 0;   // c: scores become c tanh(score / c); 0: they stay
    bool post_norms = false;   // what attention and feed-forward give is normalised before it is added
};

struct ModelSpec {
    std::string architecture;
    int width = 0;
    int context = 0;
    bool causal = true;
    int vocabulary = 0;
    int positions = 0;        // rows of the learned table; 0: rotary
    int token_types = 0;      // rows of the segment table; 0: none
    int bigrams = 0;          // rows of the table of token pairs; 0: none
    bool embedding_norm = false;
    bool layer_norm = false;  // else RMS
    float epsilon = 1e-5f;
    bool post_norm = false;
    float embedding_scale = 1;   // of the token rows
    float logit_softcap = 0;     // as score_softcap, of the head's outputs
    float rotary_base = 0;    // 0: learned positions
    bool rotary_pairs = false;   // (2i, 2i + 1) rather than (i, i + width / 2)
    std::vector<LayerSpec> layers;
    // the head of the task
    bool classifier = false;
    bool tied = false;
    Pooling pooling = Pooling::first;
    bool pooler = false;
    bool output_bias = false;
    std::vector<std::string> labels;
    bool averages() const { return classifier && (pooling == Pooling::mean || pooling == Pooling::mean_before_norm); }
    float temperature = 1.0f;
    // what becomes of a prompt before it is tokenised
    std::string prompt_begin, prompt_end;
    bool prompt_lowercase = false;
    bool own = false;         // read from smallwright.model
    bool spans = false;       // scales of Q4_0 and Q8_0 rows agree in spans: smallwright.scale_span

    // Throws Error kinds "missing_key", "wrong_type", "bad_json", "bad_model", "unsupported_architecture", "missing_tensor".
    static ModelSpec read(const File& file);
};

}  // namespace sw
