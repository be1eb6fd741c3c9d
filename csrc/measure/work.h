// What a model asks of the device, counted from its shapes: multiply-adds and numbers stored, by what they grow with.
// Enters: a model. Leaves: counts. Not here: bytes of weights, which the session counts while it runs.
#pragma once

#include <cstdint>

#include "engine/model.h"

namespace sw {

// Multiply-adds of products with weights in 8 or 4 bits (int8) and with others (f32). "answer" is what only those rows
// need that reach the head, the last layer's queries and feed-forward among them; rows that are averaged need all.
struct Work {
    uint64_t token_int8 = 0, token_f32 = 0;     // a token
    uint64_t answer_int8 = 0, answer_f32 = 0;   // a text to classify, or the next token of a generation
    uint64_t token_pair = 0, answer_pair = 0;   // f32, a key that a token (an answer) looks at
    uint64_t kept_values = 0;                   // numbers of keys and values that a token leaves for later ones
};

Work count_work(const Model& model);

}  // namespace sw
