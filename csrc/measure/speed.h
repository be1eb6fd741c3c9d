// How long a session takes, timed without an interpreter in between.
// Enters: a session and tokens or texts. Leaves: seconds. Not here: what they mean (the caller knows the work).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/session.h"

namespace sw {

// Seconds from an empty state to the logits of the last of `count` tokens. Throws as Session::append.
double time_prefill(Session& session, const int32_t* tokens, size_t count);

// Seconds a token of `steps` greedy tokens after a prompt. The end token does not end it: the work is the same whatever
// a model says. Throws as Session::append, and Error kind "bad_argument" when steps is 0.
double time_decode(Session& session, const int32_t* prompt, size_t count, size_t steps);

// Seconds of each of `rounds` calls on all texts together, from texts to logits. Throws as Session::classify, and Error
// kind "bad_argument" without texts.
std::vector<double> time_classify(Session& session, const std::vector<std::string>& texts, size_t rounds);

}  // namespace sw
