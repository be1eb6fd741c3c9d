// Texts that grow together: every pass over the weights serves all of them, and new ones join as others end.
// Enters: requests. Leaves: texts, each the same as it would be alone. Not here: logits (session), choosing (sample).
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/background.h"
#include "engine/lookup.h"
#include "engine/sample.h"
#include "engine/session.h"
#include "engine/text_stream.h"

namespace sw {

// What a text must obey, token by token. Its functions are called by one thread at a time, not always the same.
class Constraint {
public:
    struct Forced {
        std::vector<int32_t> tokens;   // that must come next, in order; the constraint has taken them already
        bool over = false;             // nothing may follow them
    };
    virtual ~Constraint() = default;
    virtual Forced begin() = 0;
    virtual Forced take(int32_t token) = 0;   // one that the mask allowed
    virtual const TokenMask& mask() = 0;      // of what may follow all that was taken; most often while a pass runs
    virtual bool whole() = 0;                 // whether the text may end here
};

// Why a text ended. `incomplete`: it had to, before its constraint allowed it; it is not whole.
enum class Ending { running, end_token, stop_string, complete, max_tokens, context, incomplete, cancelled, failed };
const char* name_of(Ending ending);

struct Request {
    std::vector<int32_t> prompt;
    Sampling sampling;
    std::vector<std::string> stops;
    bool lookup = true;                          // guess by prompt lookup: never another text, only another speed
    std::vector<int32_t> reference;              // that guesses may come from too
    std::unique_ptr<Constraint> constraint;      // null: free
    bool likelihoods = false;
    bool keep = false;                           // later prompts that begin with this one and its text copy them
    // A piece of text and the token that it came with (-1: what was held back until the end). False: stop.
    std::function<bool(std::string_view, int32_t)> on_text;
};

struct Result {
    std::vector<int32_t> tokens;            // without the end token
    std::string text;
    std::vector<Likelihood> likelihoods;    // of the tokens, where asked for
    Ending ending = Ending::running;
    std::string error_kind, error;          // of `failed`
    size_t guessed = 0, guessed_right = 0, forced = 0, prompt_cached = 0;   // tokens
};

class Generator {
public:
    static constexpr size_t kMostTexts = 64;   // that may grow together

    // Throws Error kinds "wrong_task", "bad_argument".
    Generator(Session& session, size_t most_texts);
    ~Generator();

    // Checks the request and queues it; returns its number. Throws Error kinds "bad_argument", "empty_input", "too_long",
    // "bad_token".
    size_t submit(Request request);
    // One pass for all texts that grow. Returns false when there is nothing left to do.
    bool step();
    // Of a request that has ended; it is forgotten. Throws Error kind "bad_argument" for one that has not.
    Result take_result(size_t number);
    std::vector<size_t> ended() const;   // numbers of the texts whose results nobody has taken yet
    void cancel(size_t number);
    // A request and its result, and those of all that were queued before. Throws as submit.
    Result run(Request request);

    // Computes what prompts begin with once; later requests that begin so copy it. Throws as submit, and "nan_logits".
    void remember(const std::vector<int32_t>& beginning);
    // The beginning that was remembered last, as bytes. Throws Error kind "bad_argument" when there is none.
    std::vector<uint8_t> save_remembered() const;
    // A beginning that was saved by a session of the same model and bits. Throws as submit, and Error kind "bad_argument"
    // when the bytes are not as many as they must be; what they are is not checked.
    void remember_saved(const std::vector<int32_t>& beginning, const uint8_t* bytes, size_t size_bytes);

private:
    struct Text;
    struct Prefix {
        std::vector<int32_t> tokens;
        std::unique_ptr<State> state;
    };
    static constexpr size_t kMostKept = 4;   // texts; the latest ones stay
    void add_remembered(Prefix prefix);
    void admit();
    void begin(Text& text);
    void plan();
    void read(Text& text, float* logits);
    bool choose(Text& text, float* logits);
    void put(Text& text, std::vector<int32_t> tokens, const Constraint::Forced& forced);
    void check_room(Text& text);
    void guess(Text& text);
    void keep(Text& text);
    void finish(Text& text, Ending ending);
    void fail(Text& text, const char* kind, const char* message);
    void check_prompt(const std::vector<int32_t>& prompt) const;
    void ask_for_masks();

    Session& session_;
    size_t most_texts_, next_number_ = 0;
    std::list<Text> waiting_, growing_;
    std::vector<std::pair<size_t, Result>> ended_;
    std::vector<Prefix> remembered_;
    std::deque<Prefix> kept_;
    std::vector<Piece> pieces_;
    std::vector<Text*> owners_;       // of the pieces
    std::vector<float> logits_;
    GuessingPays guessing_pays_;
    std::unique_ptr<Background> background_;
};

}  // namespace sw
