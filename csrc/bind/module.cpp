// The Python binding: checks every argument, releases the interpreter lock while the engine works, and turns engine
// errors into smallwright.errors.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "bind/bind.h"
#include "smallwright.h"

namespace nb = nanobind;

namespace sw_bind {

using Tokens = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::object rows(size_t count, size_t width, std::unique_ptr<float[]> data) {
    float* raw = data.release();
    nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<float*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<2>>(raw, {count, width}, owner));
}

std::unique_ptr<float[]> allocate(size_t count, size_t width) { return std::unique_ptr<float[]>(new float[std::max<size_t>(1, count * width)]()); }

namespace {

class BadPackage : public sw::Error {
public:
    using sw::Error::Error;
};

std::shared_ptr<Model> open_model(const std::string& path, bool in_place) {
    auto out = std::make_shared<Model>();
    nb::gil_scoped_release release;
    sw::select_kernels();   // not the file's fault: stays an EngineError
    try {
        out->model = sw::Model::open(path, in_place);
    } catch (const sw::Error& error) {
        throw BadPackage(error.kind(), error.what());
    }
    return out;
}

void prepare(const std::string& path) {
    nb::gil_scoped_release release;
    sw::select_kernels();
    try {
        sw::Model::prepare(path);
    } catch (const sw::Error& error) {
        throw BadPackage(error.kind(), error.what());
    }
}

nb::object classify_texts(Session& self, const std::vector<std::string>& texts) {
    Busy busy(self);
    const size_t classes = self.session->model().spec().labels.size();
    auto logits = allocate(texts.size(), classes);
    std::vector<bool> cuts(texts.size());
    {
        nb::gil_scoped_release release;
        std::vector<int32_t> tokens;
        std::vector<size_t> offsets{0};
        for (size_t i = 0; i < texts.size(); ++i) {
            bool cut = false;
            const auto found = self.session->model().encode_for_classes(texts[i], cut);
            tokens.insert(tokens.end(), found.begin(), found.end());
            offsets.push_back(tokens.size());
            cuts[i] = cut;
        }
        self.session->classify(tokens.data(), offsets.data(), texts.size(), logits.get());
    }
    nb::list truncated;
    for (const bool cut : cuts) truncated.append(nb::bool_(cut));
    return nb::make_tuple(rows(texts.size(), classes, std::move(logits)), truncated);
}

nb::object classify_tokens(Session& self, const Tokens& tokens, const Offsets& offsets) {
    if (offsets.shape(0) < 1) throw sw::Error("bad_argument", "offsets must have one entry more than there are texts. Got 0.");
    const size_t count = offsets.shape(0) - 1;
    std::vector<size_t> checked;
    for (size_t i = 0; i <= count; ++i) {
        const int64_t offset = offsets.data()[i];
        if (offset < 0 || (size_t)offset > tokens.shape(0) || (i > 0 && (size_t)offset < checked.back()) || (i == 0 && offset != 0))
            throw sw::Error("bad_argument", "offsets must begin with 0, never fall and stay within the tokens. Got " + std::to_string(offset) + " at " + std::to_string(i) + ".");
        checked.push_back((size_t)offset);
    }
    Busy busy(self);
    const size_t classes = self.session->model().spec().labels.size();
    auto logits = allocate(count, classes);
    {
        nb::gil_scoped_release release;
        self.session->classify(tokens.data(), checked.data(), count, logits.get());
    }
    return rows(count, classes, std::move(logits));
}

nb::object append(Session& self, const Tokens& tokens, bool all_rows) {
    Busy busy(self);
    const size_t count = all_rows ? tokens.shape(0) : 1, vocabulary = self.session->model().spec().vocabulary;
    auto logits = allocate(count, vocabulary);
    {
        nb::gil_scoped_release release;
        self.session->append(tokens.data(), tokens.shape(0), all_rows, logits.get());
    }
    return rows(count, vocabulary, std::move(logits));
}

std::string decode(const Model& self, const Tokens& tokens) {
    const sw::Tokenizer& tokenizer = self.model->tokenizer();
    for (size_t i = 0; i < tokens.shape(0); ++i)
        if (tokens.data()[i] < 0 || tokens.data()[i] >= tokenizer.vocabulary())
            throw sw::Error("bad_token", "a token must be from 0 to " + std::to_string(tokenizer.vocabulary() - 1) + ". Got " + std::to_string(tokens.data()[i]) + ".");
    return tokenizer.decode(std::vector<int32_t>(tokens.data(), tokens.data() + tokens.shape(0)));
}

nb::str text(std::string_view bytes) {
    return nb::steal<nb::str>(PyUnicode_DecodeUTF8(bytes.data(), (Py_ssize_t)bytes.size(), "replace"));
}

nb::list token_bytes(const Model& self) {
    const sw::Tokenizer& tokenizer = self.model->tokenizer();
    nb::list out;
    for (int32_t token = 0; token < tokenizer.vocabulary(); ++token) {
        const std::string bytes = tokenizer.decode_token(token);
        out.append(nb::bytes(bytes.data(), bytes.size()));
    }
    return out;
}

// What is wrong with a file becomes a PackageError, with a request or this machine an EngineError; both carry `kind`.
void raise(const char* name, const char* kind, const char* message) {
    const nb::object type = nb::module_::import_("smallwright.errors").attr(name);
    const nb::object error = type(nb::str(message));
    error.attr("kind") = nb::str(kind);
    PyErr_SetObject(type.ptr(), error.ptr());
}

void translate(const std::exception_ptr& pointer, void*) {
    try {
        std::rethrow_exception(pointer);
    } catch (const BadPackage& error) {
        raise("PackageError", error.kind().c_str(), error.what());
    } catch (const sw::Error& error) {
        raise("EngineError", error.kind().c_str(), error.what());
    } catch (const std::bad_alloc&) {
        raise("EngineError", "out_of_memory", "the system has not enough memory for this request.");
    }
}

}  // namespace

}  // namespace sw_bind

NB_MODULE(_engine, m) {
    using namespace sw_bind;
    m.doc() = "libsmallwright: models and sessions. The public face is smallwright.run.";
    nb::register_exception_translator(translate);
    m.def("isa", [] { return std::string(sw::select_kernels().name); }, "The kernels in use: ref, avx2, avx512, amx, neon or neon_i8mm.");
    m.def("version", [] { return std::string(sw_version()); });

    nb::class_<Model>(m, "Model")
        .def_prop_ro("task", [](const Model& self) { return self.model->spec().classifier ? "classify" : "generate"; })
        .def_prop_ro("vocabulary", [](const Model& self) { return self.model->spec().vocabulary; })
        .def_prop_ro("context", [](const Model& self) { return self.model->spec().context; })
        .def_prop_ro("labels", [](const Model& self) { return self.model->spec().labels; })
        .def_prop_ro("temperature", [](const Model& self) { return self.model->spec().temperature; })
        .def_prop_ro("description", [](const Model& self) { return self.model->description(); })
        .def("encode", [](const Model& self, const std::string& text, bool add_special) { return self.model->tokenizer().encode(text, add_special); },
             nb::arg("text"), nb::arg("add_special") = true)
        .def("write_prompt", [](const Model& self, const std::string& text, bool whole) { return self.model->write_prompt(text, whole); },
             nb::arg("text"), nb::arg("whole"), "A prompt, or what prompts begin with, as this package learned them.")
        .def("encode_prompt", [](const Model& self, const std::string& text) { return self.model->encode_prompt(text); }, nb::arg("text"))
        .def("token_bytes", &token_bytes, "The bytes of every token as it continues a text; none of special ones.")
        .def("find_text", [](const Model& self, const std::string& key) { return text(self.model->find_text(key)); },
             nb::arg("key"), "A text of the file's metadata; empty when it has none.")
        .def("find_token_text", [](const Model& self, const std::string& key) { return text(self.model->find_token_text(key)); },
             nb::arg("key"), "The spelling of the token whose number a key of the metadata holds; empty when it has none.")
        .def_prop_ro("end_token", [](const Model& self) { return self.model->tokenizer().end_token(); })
        .def("decode", &decode, nb::arg("tokens"));
    m.def("prepare", &prepare, nb::arg("path"));
    m.def("open", &open_model, nb::arg("path"), nb::arg("in_place") = false);

    nb::class_<Session>(m, "Session")
        .def("__init__", [](Session* self, std::shared_ptr<Model> model, int threads, int kv_bits, int activation_bits) {
                auto session = std::make_unique<sw::Session>(*model->model, threads, kv_bits, activation_bits);
                new (self) Session{std::move(model), std::move(session), false};
            }, nb::arg("model"), nb::arg("threads") = 0, nb::arg("kv_bits") = 8, nb::arg("activation_bits") = 8)
        .def("classify_texts", &classify_texts, nb::arg("texts"), "((N, C) float32 logits, list of bool: cut to the context)")
        .def("classify_tokens", &classify_tokens, nb::arg("tokens"), nb::arg("offsets"))
        .def("append", &append, nb::arg("tokens"), nb::arg("all_rows") = false)
        .def("truncate", [](Session& self, size_t length) { Busy busy(self); self.session->text().truncate(length); }, nb::arg("length"))
        .def_prop_ro("length", [](const Session& self) { return self.session->text().length(); })
        .def("counters", [](const Session& self) {
            const sw::Counters c = self.session->counters();
            nb::dict out;
            out["weight_bytes_read"] = c.weight_bytes_read;
            out["tokens"] = c.tokens;
            out["head_rows"] = c.head_rows;
            out["passes"] = c.passes;
            out["kv_bytes"] = c.kv_bytes;
            out["pair_rows"] = c.pair_rows;
            out["product_ns"] = c.product_ns;
            return out;
        })
        .def("time_products", [](Session& self, bool on) { Busy busy(self); self.session->time_products(on); }, nb::arg("on"));
    bind_generator(m);
    nb::module_ kernels = m.def_submodule("_kernels", "Every kernel by instruction set, for tests.");
    bind_kernels(kernels);
    bind_measure(m);
}
