// What `smallwright bench` measures with: the device's limits, a model's work, timed calls of a session.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "bind/bind.h"
#include "file/error.h"
#include "measure/limits.h"
#include "measure/speed.h"
#include "measure/work.h"

namespace nb = nanobind;

namespace sw_bind {
namespace {

using Tokens = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::tuple told(const sw::Measured& measured) { return nb::make_tuple(measured.value, measured.checksum); }

template <class F>
auto unlocked(F&& f) {
    nb::gil_scoped_release release;
    return f();
}

nb::dict count_work(const Model& model) {
    const sw::Work work = sw::count_work(*model.model);
    nb::dict out;
    out["token_int8"] = work.token_int8;
    out["token_f32"] = work.token_f32;
    out["answer_int8"] = work.answer_int8;
    out["answer_f32"] = work.answer_f32;
    out["token_pair"] = work.token_pair;
    out["answer_pair"] = work.answer_pair;
    out["kept_values"] = work.kept_values;
    return out;
}

double time_prefill(Session& session, const Tokens& tokens) {
    Busy busy(session);
    return unlocked([&] { return sw::time_prefill(*session.session, tokens.data(), tokens.shape(0)); });
}

double time_decode(Session& session, const Tokens& prompt, size_t steps) {
    Busy busy(session);
    return unlocked([&] { return sw::time_decode(*session.session, prompt.data(), prompt.shape(0), steps); });
}

std::vector<double> time_classify(Session& session, const std::vector<std::string>& texts, size_t rounds) {
    Busy busy(session);
    return unlocked([&] { return sw::time_classify(*session.session, texts, rounds); });
}

}  // namespace

void bind_measure(nb::module_& m) {
    nb::class_<sw::Limits>(m, "Limits")
        .def("__init__", [](sw::Limits* self, const std::string& kernels, size_t most_bytes) {
                new (self) sw::Limits(sw::select_loops(kernels.c_str()), most_bytes);
            }, nb::arg("kernels"), nb::arg("most_bytes"))
        .def_prop_ro("loops", [](const sw::Limits& self) { return std::string(self.loops().name); })
        .def_prop_ro("most_bytes", [](const sw::Limits& self) { return self.most_bytes(); })
        .def("read_bandwidth", [](const sw::Limits& self, size_t size_bytes, int threads, double seconds, bool ahead) {
                return told(unlocked([&] { return self.read(size_bytes, threads, seconds, ahead); }));
            }, nb::arg("size_bytes"), nb::arg("threads"), nb::arg("seconds"), nb::arg("ahead") = false, "(bytes a second, checksum)")
        .def("int8_dot", [](const sw::Limits& self, int threads, double seconds) {
                return told(unlocked([&] { return self.int8_dot(threads, seconds); }));
            }, nb::arg("threads"), nb::arg("seconds"), "(operations a second, checksum)")
        .def("multiply_add", [](const sw::Limits& self, int threads, double seconds) {
                return told(unlocked([&] { return self.multiply_add(threads, seconds); }));
            }, nb::arg("threads"), nb::arg("seconds"), "(operations a second, checksum)")
        .def("barrier", [](const sw::Limits& self, int threads, double seconds) {
                return told(unlocked([&] { return self.barrier(threads, seconds); }));
            }, nb::arg("threads"), nb::arg("seconds"), "(barriers a second, checksum)");
    m.def("time_prefill", &time_prefill, nb::arg("session"), nb::arg("tokens"), "Seconds from nothing to the logits of the last token.");
    m.def("time_decode", &time_decode, nb::arg("session"), nb::arg("prompt"), nb::arg("steps"), "Seconds a greedy token.");
    m.def("time_classify", &time_classify, nb::arg("session"), nb::arg("texts"), nb::arg("rounds"), "Seconds of each call on all texts.");
    m.def("count_work", &count_work, nb::arg("model"), "Multiply-adds by what they grow with.");
}

}  // namespace sw_bind
