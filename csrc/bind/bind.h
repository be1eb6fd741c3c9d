// Shared by the parts of the binding.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "engine/generator.h"

namespace sw_bind {

struct Model {
    std::unique_ptr<sw::Model> model;
};

// A session and the thing that it must not outlive. Only one call at a time: a second thread is refused.
struct Session {
    std::shared_ptr<Model> owner;
    std::unique_ptr<sw::Session> session;
    bool busy = false;
};

class Busy {
public:
    explicit Busy(Session& session) : session_(session) {
        if (session.busy) throw sw::Error("busy", "one session answers one call at a time. Got a second one; open the package again for another thread.");
        session.busy = true;
    }
    ~Busy() { session_.busy = false; }

private:
    Session& session_;
};

nanobind::object rows(size_t count, size_t width, std::unique_ptr<float[]> data);   // (count, width) float32 array
std::unique_ptr<float[]> allocate(size_t count, size_t width);                      // zeros
void bind_generator(nanobind::module_& m);
void bind_kernels(nanobind::module_& m);
void bind_measure(nanobind::module_& m);

}  // namespace sw_bind
