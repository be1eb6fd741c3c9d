// Generators in Python. The interpreter lock is released while passes run; a constraint and whoever reads along take it back
// for as long as they need it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <exception>
#include <memory>

#include "bind/bind.h"

namespace nb = nanobind;

namespace sw_bind {
namespace {

// A Python object that may be dropped by a thread that does not hold the lock.
using Held = std::shared_ptr<nb::object>;

Held hold(nb::object object) {
    return Held(new nb::object(std::move(object)), [](nb::object* held) {
        nb::gil_scoped_acquire acquire;
        delete held;
    });
}

// An llguidance.LLMatcher. Its methods are called from here, without Python's own frames: between two passes, when the
// weights have emptied the caches, each of those costs more than the call. None of them raises; errors are a state.
class Matcher : public sw::Constraint {
public:
    explicit Matcher(const nb::object& matcher) {
        nb::list methods;
        for (const char* name : kNames) methods.append(matcher.attr(name));
        methods_ = hold(nb::tuple(methods));
    }

    Forced begin() override {
        return locked([this] { return forced(); });
    }

    Forced take(int32_t token) override {
        return locked([this, token] {
            if (!nb::cast<bool>(method(kConsume)(token))) refuse("a constraint must accept the token that it allowed.");
            return forced();
        });
    }

    const sw::TokenMask& mask() override {
        locked([this] {
            const nb::bytes words = nb::cast<nb::bytes>(method(kMask)());
            if (nb::cast<bool>(method(kIsError)())) refuse("a constraint must stay within its limits.");
            mask_.resize(words.size() / sizeof(uint32_t));
            std::memcpy(mask_.data(), words.data(), mask_.size() * sizeof(uint32_t));
        });
        return mask_;
    }

    bool whole() override {
        return locked([this] { return nb::cast<bool>(method(kIsAccepting)()); });
    }

private:
    enum { kConsume, kConsumeMany, kForced, kIsStopped, kIsAccepting, kMask, kIsError, kError, kMethods };
    static constexpr const char* kNames[kMethods] = {"consume_token", "consume_tokens", "compute_ff_tokens", "is_stopped",
                                                     "is_accepting",  "compute_bitmask", "is_error",         "get_error"};

    nb::handle method(int which) const { return PyTuple_GET_ITEM(methods_->ptr(), which); }

    // Tokens that must come now, and whether nothing may follow them: a matcher that failed is stopped too.
    Forced forced() {
        const nb::list tokens = nb::cast<nb::list>(method(kForced)());
        if (tokens.size() && !nb::cast<bool>(method(kConsumeMany)(tokens))) refuse("a constraint must accept the tokens that it forced.");
        const bool over = nb::cast<bool>(method(kIsStopped)());
        if (over && nb::cast<bool>(method(kIsError)())) refuse("a constraint must stay within its limits.");
        return {nb::cast<std::vector<int32_t>>(tokens), over};
    }

    [[noreturn]] void refuse(const char* law) {
        const nb::object words = nb::str(method(kError)()).attr("split")();
        throw sw::Error("constraint", std::string(law) + " Got: " + nb::cast<std::string>(nb::str(" ").attr("join")(words)));
    }

    // What it raises ends the text, with its message.
    template <class F>
    static auto locked(F f) -> decltype(f()) {
        nb::gil_scoped_acquire acquire;
        try {
            return f();
        } catch (const nb::python_error& error) {
            throw sw::Error("constraint", nb::cast<std::string>(nb::str(error.value())));
        } catch (const nb::cast_error&) {
            throw sw::Error("constraint", "a constraint must answer with tokens, a mask or a truth value. Got something else.");
        }
    }

    Held methods_;   // a tuple, in the order of kNames
    sw::TokenMask mask_;
};

struct Generator {
    nb::object owner;   // the session
    std::unique_ptr<sw::Generator> generator;
    std::exception_ptr raised;   // by whoever reads along

    Session& session() const { return nb::cast<Session&>(owner); }

    // A step, or what a reader has raised.
    bool step() {
        const bool more = generator->step();
        if (raised) std::rethrow_exception(std::exchange(raised, nullptr));
        return more;
    }
};

sw::Sampling read_sampling(const nb::dict& given) {
    sw::Sampling sampling;
    sampling.max_tokens = nb::cast<int32_t>(given["max_tokens"]);
    sampling.temperature = nb::cast<float>(given["temperature"]);
    sampling.top_k = nb::cast<int32_t>(given["top_k"]);
    sampling.top_p = nb::cast<float>(given["top_p"]);
    sampling.min_p = nb::cast<float>(given["min_p"]);
    sampling.repetition_penalty = nb::cast<float>(given["repetition_penalty"]);
    sampling.seed = nb::cast<uint64_t>(given["seed"]);
    return sampling;
}

nb::tuple distribution(std::vector<float> logits, const nb::dict& sampling, const std::vector<int32_t>& seen) {
    sw::Sampler sampler(read_sampling(sampling), sw::select_kernels());
    for (const int32_t token : seen) sampler.see(token);
    std::vector<int32_t> tokens;
    std::vector<float> weights;
    sampler.distribution(logits.data(), (int32_t)logits.size(), nullptr, tokens, weights);
    return nb::make_tuple(tokens, weights);
}

size_t submit(Generator& self, std::vector<int32_t> prompt, const nb::dict& sampling, std::vector<std::string> stops, bool lookup,
              std::vector<int32_t> reference, nb::object constraint, bool likelihoods, bool keep, nb::object on_text) {
    Busy busy(self.session());
    sw::Request request;
    request.prompt = std::move(prompt);
    request.sampling = read_sampling(sampling);
    request.stops = std::move(stops);
    request.lookup = lookup;
    request.reference = std::move(reference);
    request.likelihoods = likelihoods;
    request.keep = keep;
    if (!constraint.is_none()) request.constraint = std::make_unique<Matcher>(constraint);
    if (!on_text.is_none()) {
        request.on_text = [&self, reader = hold(std::move(on_text))](std::string_view text, int32_t token) {
            nb::gil_scoped_acquire acquire;
            try {
                const nb::object go_on = (*reader)(nb::str(text.data(), text.size()), token);
                return go_on.is_none() || nb::cast<bool>(go_on);
            } catch (...) {
                self.raised = std::current_exception();
                return false;
            }
        };
    }
    return self.generator->submit(std::move(request));
}

void run(Generator& self) {
    constexpr int kPatience = 16;   // steps between two looks at signals
    Busy busy(self.session());
    for (bool more = true; more;) {
        {
            nb::gil_scoped_release release;
            for (int i = 0; i < kPatience && more; ++i) more = self.step();
        }
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }
}

nb::dict take_result(Generator& self, size_t number) {
    Busy busy(self.session());
    const sw::Result result = self.generator->take_result(number);
    nb::list log_probabilities, entropies;
    for (const sw::Likelihood& likelihood : result.likelihoods) {
        log_probabilities.append(likelihood.log_probability);
        entropies.append(likelihood.entropy);
    }
    nb::dict out;
    out["tokens"] = result.tokens;
    out["text"] = result.text;
    out["ending"] = sw::name_of(result.ending);
    out["log_probabilities"] = log_probabilities;
    out["entropies"] = entropies;
    out["error_kind"] = result.error_kind;
    out["error"] = result.error;
    out["guessed"] = result.guessed;
    out["guessed_right"] = result.guessed_right;
    out["forced"] = result.forced;
    out["prompt_cached"] = result.prompt_cached;
    return out;
}

}  // namespace

void bind_generator(nb::module_& m) {
    m.def("distribution", &distribution, nb::arg("logits"), nb::arg("sampling"), nb::arg("seen"),
          "What the sampler draws from: (tokens, their probabilities). For tests.");
    nb::class_<Generator>(m, "Generator")
        .def("__init__", [](Generator* self, nb::object session, size_t most_texts) {
                auto generator = std::make_unique<sw::Generator>(*nb::cast<Session&>(session).session, most_texts);
                new (self) Generator{std::move(session), std::move(generator), nullptr};
            }, nb::arg("session"), nb::arg("most_texts"))
        .def("submit", &submit, nb::arg("prompt"), nb::arg("sampling"), nb::arg("stops"), nb::arg("lookup"), nb::arg("reference"),
             nb::arg("constraint").none(), nb::arg("likelihoods"), nb::arg("keep"), nb::arg("on_text").none(), "The request's number.")
        .def("step", [](Generator& self) {
                Busy busy(self.session());
                nb::gil_scoped_release release;
                return self.step();
            }, "One pass for all texts that grow; False when nothing is left to do.")
        .def("run", &run, "Steps until nothing is left to do.")
        .def("take_result", &take_result, nb::arg("number"))
        .def("ended", [](Generator& self) { Busy busy(self.session()); return self.generator->ended(); },
             "Numbers of the texts whose results nobody has taken yet.")
        .def("cancel", [](Generator& self, size_t number) { Busy busy(self.session()); self.generator->cancel(number); }, nb::arg("number"))
        .def("remember", [](Generator& self, const std::vector<int32_t>& beginning) {
                Busy busy(self.session());
                nb::gil_scoped_release release;
                self.generator->remember(beginning);
            }, nb::arg("beginning"))
        .def("save_remembered", [](Generator& self) {
                Busy busy(self.session());
                const std::vector<uint8_t> bytes = self.generator->save_remembered();
                return nb::bytes(bytes.data(), bytes.size());
            }, "The beginning that was remembered last.")
        .def("remember_saved", [](Generator& self, const std::vector<int32_t>& beginning, const nb::bytes& saved) {
                Busy busy(self.session());
                self.generator->remember_saved(beginning, (const uint8_t*)saved.data(), saved.size());
            }, nb::arg("beginning"), nb::arg("saved"));
}

}  // namespace sw_bind
