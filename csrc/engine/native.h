// The models of other people: the keys and tensor names that llama.cpp's converters write.
// Enters: a file without the key smallwright.model. Leaves: its ModelSpec, each number bounded; ModelSpec::read checks the rest.
#pragma once

#include "engine/spec.h"

namespace sw {

// Throws Error kinds "missing_key", "wrong_type", "bad_model", "unsupported_architecture", "unsupported_rope",
// "unsupported_task", "missing_tensor".
void read_native(ModelSpec& spec, const File& file);

}  // namespace sw
