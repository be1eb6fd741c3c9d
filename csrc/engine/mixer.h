// What mixes the tokens of a sequence. A mixer is one file and one row of kMixers: how its tensors are loaded, which
// operations it compiles to, the object that runs its two operations in a session, and what it remembers of a text.
#pragma once

#include <memory>
#include <string_view>

#include "engine/compiler.h"
#include "engine/loader.h"
#include "engine/pass.h"
#include "engine/state.h"

namespace sw {

class Mixer {
public:
    virtual ~Mixer() = default;
    virtual std::unique_ptr<MixerState> make_state() const = 0;
    virtual void prepare(Pass& pass) = 0;      // scratch for a pass
    virtual void store(const Operation& op, Pass& pass) = 0;   // the rows enter the state
    virtual void mix(const Operation& op, Pass& pass) = 0;     // Slot::mixed of every row, quantised to op.out
};

struct MixerKind {
    const char* name;   // mixer.kind in the package's description
    void (*load)(const Loader& loader, size_t layer, LayerWeights& out);
    void (*compile)(Compiler& compiler, int layer, bool last);   // from the normalised rows to Slot::mixed
    std::unique_ptr<Mixer> (*make)(const Model& model, int kv_bits, int threads);   // of one session, for all its layers
};

extern const MixerKind attention_kind;

// The number of a kind is its place here.
inline const MixerKind* const kMixers[] = {&attention_kind};
constexpr int kMixerCount = 1;

}  // namespace sw
