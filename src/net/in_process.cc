#include "net/in_process.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "net/http_head.h"

namespace tandem::net {
namespace {

class WholeBody final : public BodySource {
 public:
  explicit WholeBody(std::string bytes) : own_(std::move(bytes)), bytes_(own_) {}
  explicit WholeBody(SharedBytes bytes) : shared_(std::move(bytes)), bytes_(*shared_) {}
  WholeBody(const WholeBody&) = delete;
  WholeBody& operator=(const WholeBody&) = delete;

  void read(Completion<std::string_view> done) override { done(rest()); }
  std::optional<std::string_view> take_whole() override { return rest(); }

 private:
  std::string_view rest() { return std::exchange(taken_, true) ? std::string_view() : bytes_; }

  const std::string own_;
  const SharedBytes shared_;
  const std::string_view bytes_;
  bool taken_ = false;
};

class InProcessExchange final : public Exchange {
 public:
  InProcessExchange(OwnedRequest request, CallContext context, std::unique_ptr<ResponseSink> sink)
      : request_(std::move(request)), context_(std::move(context)), sink_(std::move(sink)) {
    headers_.reserve(request_.headers.size());
    for (const OwnedHeader& header : request_.headers) {
      if (const Header view{header.name, header.value}; valid_header(view)) headers_.push_back(view);
    }
    head_ = RequestHead{request_.method, request_.scheme, request_.authority, request_.target, headers_};
  }
  InProcessExchange(OwnedRequest request, SharedBytes body, CallContext context, std::unique_ptr<ResponseSink> sink)
      : InProcessExchange(std::move(request), std::move(context), std::move(sink)) {
    whole_.emplace(std::move(body));
  }
  InProcessExchange(OwnedRequest request, RequestBody body, CallContext context, std::unique_ptr<ResponseSink> sink)
      : InProcessExchange(std::move(request), std::move(context), std::move(sink)) {
    if (std::string* bytes = std::get_if<std::string>(&body)) {
      whole_.emplace(std::move(*bytes));
    } else {
      streamed_ = std::move(std::get<std::unique_ptr<BodySource>>(body));
      if (!streamed_) whole_.emplace(std::string());
    }
  }

  ~InProcessExchange() override {
    if (state_ == State::kUnanswered) {
      respond(500, {}, {});
    } else if (state_ == State::kStreaming) {
      end_with(Code::kUnavailable, "the answer ended before it was complete");
    }
  }

  const RequestHead& head() const override { return head_; }
  BodySource& body() override { return whole_ ? static_cast<BodySource&>(*whole_) : *streamed_; }
  CallContext& context() override { return context_; }
  bool gone() const override { return gone_; }

  void respond(int status, Headers headers, std::string_view body) override {
    if (state_ != State::kUnanswered) return;
    state_ = State::kAnswered;
    if (!check_head(status, headers)) return answer_invalid();
    if (carries_no_body(status)) body = {};
    if (!sink_->on_whole(status, headers, body)) {
      sink_->on_head(status, headers);
      if (!body.empty()) {
        // Nothing follows that would have to wait, so the sink's leave to go on changes nothing.
        sink_->on_body(body, [](Status) {});
      }
      sink_->on_end({});
    }
    sink_.reset();
  }

  void start(int status, Headers headers) override {
    if (state_ != State::kUnanswered) return;
    state_ = State::kStreaming;
    if (const auto text = find_header(headers, "content-length")) {
      length_left_ = parse_length(*text);
      if (!length_left_) return answer_invalid();
    }
    if (!check_head(status, headers)) return answer_invalid();
    no_body_ = carries_no_body(status);
    sink_->on_head(status, headers);
  }

  void write(std::string_view piece, Completion<void> done) override {
    if (gone_) return done(fail(Code::kCancelled, "the caller wants no more of the answer"));
    if (state_ != State::kStreaming) {
      return done(fail(Code::kFailedPrecondition, "the answer is not between start() and finish()"));
    }
    if (no_body_ || piece.empty()) return done({});
    if (length_left_) {
      if (piece.size() > *length_left_) {
        end_with(Code::kInternal, "the answer is longer than its Content-Length");
        return done(fail(Code::kInvalidArgument, "the answer is longer than its Content-Length"));
      }
      *length_left_ -= piece.size();
    }
    // The sink resumes the writer itself: back-pressure without a step in between.
    sink_->on_body(piece, std::move(done));
  }

  void finish(Headers trailers) override {
    if (state_ != State::kStreaming) return;
    if (!no_body_ && length_left_.value_or(0) > 0) {
      return end_with(Code::kInternal, "the answer is shorter than its Content-Length");
    }
    state_ = State::kAnswered;
    sink_->on_end(trailers);
    sink_.reset();
  }

  void abort() override {
    if (state_ != State::kAnswered) end_with(Code::kUnavailable, "the answer was cut off");
  }

  void refuse(const Error& error) override {
    if (state_ != State::kUnanswered) return abort();
    state_ = State::kAnswered;
    gone_ = true;
    sink_->on_error(error);
    sink_.reset();
  }

 private:
  enum class State { kUnanswered, kStreaming, kAnswered };

  bool carries_no_body(int status) const { return status == 204 || status == 304 || head_.method == "HEAD"; }

  static bool check_head(int status, Headers headers) {
    if (status < 200 || status > 999) return false;
    for (const Header& header : headers) {
      if (!valid_header(header)) return false;
    }
    return true;
  }

  void answer_invalid() {
    state_ = State::kAnswered;
    sink_->on_head(500, {});
    sink_->on_body("the answer is not valid HTTP\n", [](Status) {});
    sink_->on_end({});
    sink_.reset();
  }

  void end_with(Code code, std::string message) {
    state_ = State::kAnswered;
    gone_ = true;
    sink_->on_error(make_error(code, std::move(message)));
    sink_.reset();
  }

  const OwnedRequest request_;
  std::vector<Header> headers_;
  RequestHead head_;
  CallContext context_;
  std::optional<WholeBody> whole_;
  std::unique_ptr<BodySource> streamed_;
  std::unique_ptr<ResponseSink> sink_;
  State state_ = State::kUnanswered;
  bool no_body_ = false;
  bool gone_ = false;
  std::optional<std::uint64_t> length_left_;
};

}  // namespace

std::unique_ptr<Exchange> make_in_process_exchange(OwnedRequest request, RequestBody body, CallContext context,
                                                   std::unique_ptr<ResponseSink> sink) {
  return std::make_unique<InProcessExchange>(std::move(request), std::move(body), std::move(context), std::move(sink));
}

std::unique_ptr<Exchange> make_in_process_exchange(OwnedRequest request, SharedBytes body, CallContext context,
                                                   std::unique_ptr<ResponseSink> sink) {
  return std::make_unique<InProcessExchange>(std::move(request), std::move(body), std::move(context), std::move(sink));
}

std::unique_ptr<BodySource> make_body(std::string bytes) { return std::make_unique<WholeBody>(std::move(bytes)); }

}  // namespace tandem::net
