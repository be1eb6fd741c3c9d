// The C ABI: nothing is thrown across it.
#include "smallwright.h"

#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "engine/generator.h"

#if !defined(SW_VERSION)
#define SW_VERSION "0.0.0"
#endif

struct sw_model {
    std::unique_ptr<sw::Model> model;
};

struct sw_session {
    sw::Session session;
};

namespace {

thread_local std::string last_kind, last_message;

void remember(const char* kind, const char* message) noexcept {
    try {
        last_kind = kind;
        last_message = message;
    } catch (...) {
        last_kind.clear();   // no memory even for the message: the status alone tells
        last_message.clear();
    }
}

template <class F>
sw_status guarded(F&& f) noexcept {
    try {
        f();
        return SW_OK;
    } catch (const sw::Error& error) {
        remember(error.kind().c_str(), error.what());
    } catch (const std::bad_alloc&) {
        remember("out_of_memory", "the system has not enough memory for this request.");
    } catch (const std::exception& error) {
        remember("internal", error.what());
    } catch (...) {
        remember("internal", "an unknown exception.");
    }
    return SW_ERROR;
}

void need(bool condition, const char* message) {
    if (!condition) throw sw::Error("bad_argument", message);
}

}  // namespace

extern "C" {

const char* sw_version(void) { return SW_VERSION; }

const char* sw_isa(void) {
    const char* name = "";
    guarded([&] { name = sw::select_kernels().name; });
    return name;
}

const char* sw_last_error_kind(void) { return last_kind.c_str(); }
const char* sw_last_error(void) { return last_message.c_str(); }

sw_status sw_model_open(const char* path, sw_model** out) { return sw_model_open_with(path, nullptr, out); }

sw_status sw_model_open_with(const char* path, const sw_model_options* options, sw_model** out) {
    return guarded([&] {
        need(path && out, "sw_model_open needs a path and a place for the model. Got NULL.");
        *out = nullptr;
        const int32_t in_place = options ? options->in_place : 0;
        if (in_place != 0 && in_place != 1)
            throw sw::Error("bad_argument", "in_place must be 0 or 1. Got " + std::to_string(in_place) + ".");
        auto model = sw::Model::open(path, in_place == 1);
        *out = new sw_model{std::move(model)};
    });
}

sw_status sw_prepare(const char* path) {
    return guarded([&] {
        need(path, "sw_prepare needs a path. Got NULL.");
        sw::Model::prepare(path);
    });
}

void sw_model_close(sw_model* model) { delete model; }
sw_task sw_model_task(const sw_model* model) { return model->model->spec().classifier ? SW_TASK_CLASSIFY : SW_TASK_GENERATE; }
int32_t sw_model_vocabulary(const sw_model* model) { return model->model->spec().vocabulary; }
int32_t sw_model_context(const sw_model* model) { return model->model->spec().context; }
int32_t sw_model_classes(const sw_model* model) { return (int32_t)model->model->spec().labels.size(); }

const char* sw_model_label(const sw_model* model, int32_t index) {
    const auto& labels = model->model->spec().labels;
    return index < 0 || (size_t)index >= labels.size() ? nullptr : labels[index].c_str();
}

float sw_model_temperature(const sw_model* model) { return model->model->spec().temperature; }
const char* sw_model_description(const sw_model* model) { return model->model->description().c_str(); }

sw_status sw_encode(const sw_model* model, const char* text, size_t text_bytes, int add_special, int32_t* tokens, size_t* count) {
    return guarded([&] {
        need(model && (text || !text_bytes) && count && (tokens || !*count), "sw_encode needs a model, a text, tokens and count. Got NULL.");
        const auto found = model->model->tokenizer().encode(std::string_view(text, text_bytes), add_special != 0);
        if (found.size() <= *count && !found.empty()) std::memcpy(tokens, found.data(), found.size() * sizeof(int32_t));
        *count = found.size();
    });
}

sw_status sw_decode(const sw_model* model, const int32_t* tokens, size_t count, char* text, size_t* text_bytes) {
    return guarded([&] {
        need(model && (tokens || !count) && text_bytes && (text || !*text_bytes), "sw_decode needs a model, tokens and text_bytes. Got NULL.");
        const int32_t vocabulary = model->model->tokenizer().vocabulary();
        for (size_t i = 0; i < count; ++i)
            if (tokens[i] < 0 || tokens[i] >= vocabulary)
                throw sw::Error("bad_token", "a token must be from 0 to " + std::to_string(vocabulary - 1) + ". Got " + std::to_string(tokens[i]) + ".");
        const std::string found = model->model->tokenizer().decode(std::vector<int32_t>(tokens, tokens + count));
        if (found.size() <= *text_bytes && !found.empty()) std::memcpy(text, found.data(), found.size());
        *text_bytes = found.size();
    });
}

sw_status sw_session_open(const sw_model* model, int32_t threads, int32_t kv_bits, sw_session** out) {
    return guarded([&] {
        need(model && out, "sw_session_open needs a model and a place for the session. Got NULL.");
        *out = nullptr;
        *out = new sw_session{{*model->model, threads, kv_bits}};
    });
}

sw_status sw_session_open_with(const sw_model* model, const sw_session_options* options, sw_session** out) {
    return guarded([&] {
        need(model && out, "sw_session_open_with needs a model and a place for the session. Got NULL.");
        *out = nullptr;
        const sw_session_options asked = options ? *options : sw_session_options{};
        const auto bits = [](int32_t value) { return value ? value : 8; };
        *out = new sw_session{{*model->model, asked.threads, bits(asked.kv_bits), bits(asked.activation_bits)}};
    });
}

void sw_session_close(sw_session* session) { delete session; }

sw_status sw_classify(sw_session* session, const char* const* texts, const size_t* text_bytes, size_t count, float* logits,
                      uint8_t* truncated) {
    return guarded([&] {
        need(session && (!count || (texts && text_bytes && logits)), "sw_classify needs a session, texts and logits. Got NULL.");
        std::vector<int32_t> tokens;
        std::vector<size_t> offsets{0};
        for (size_t i = 0; i < count; ++i) {
            bool cut = false;
            const auto found = session->session.model().encode_for_classes(std::string_view(texts[i], text_bytes[i]), cut);
            tokens.insert(tokens.end(), found.begin(), found.end());
            offsets.push_back(tokens.size());
            if (truncated) truncated[i] = cut;
        }
        session->session.classify(tokens.data(), offsets.data(), count, logits);
    });
}

sw_status sw_classify_tokens(sw_session* session, const int32_t* tokens, const size_t* offsets, size_t count, float* logits) {
    return guarded([&] {
        need(session && (!count || (tokens && offsets && logits)), "sw_classify_tokens needs a session, tokens, offsets and logits. Got NULL.");
        session->session.classify(tokens, offsets, count, logits);
    });
}

sw_status sw_append(sw_session* session, const int32_t* tokens, size_t count, int all_rows, float* logits) {
    return guarded([&] {
        need(session && (tokens || !count), "sw_append needs a session and tokens. Got NULL.");
        session->session.append(tokens, count, all_rows != 0, logits);
    });
}

size_t sw_length(const sw_session* session) { return session->session.text().length(); }

sw_status sw_truncate(sw_session* session, size_t length) {
    return guarded([&] {
        need(session, "sw_truncate needs a session. Got NULL.");
        session->session.text().truncate(length);
    });
}

sw_status sw_generate(sw_session* session, const char* prompt, size_t prompt_bytes, const sw_sampling* sampling, sw_on_text on_text,
                      void* context, int32_t* generated) {
    return guarded([&] {
        need(session && (prompt || !prompt_bytes) && sampling, "sw_generate needs a session, a prompt and sampling. Got NULL.");
        sw::Request request;
        const sw::Model& model = session->session.model();
        request.prompt = model.encode_prompt(model.write_prompt(std::string_view(prompt, prompt_bytes), true));
        request.sampling = {sampling->max_tokens, sampling->temperature, sampling->top_k, sampling->top_p, sampling->min_p, sampling->repetition_penalty, sampling->seed};
        request.on_text = [&](std::string_view text, int32_t token) { return !on_text || on_text(context, text.data(), text.size(), token) == 0; };
        sw::Generator generator(session->session, 1);
        const sw::Result result = generator.run(std::move(request));
        if (result.ending == sw::Ending::failed) throw sw::Error(result.error_kind, result.error);
        if (generated) *generated = (int32_t)result.tokens.size();
    });
}

void sw_session_counters(const sw_session* session, sw_counters* out) {
    const sw::Counters c = session->session.counters();
    *out = {c.weight_bytes_read, c.tokens, c.head_rows, c.passes, c.kv_bytes, c.pair_rows};
}

}  // extern "C"
