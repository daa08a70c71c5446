#include "api/http/body.h"

#include <charconv>
#include <memory>
#include <string>
#include <utility>

namespace tandem::api::http {
namespace {

Error too_large() { return make_error(Code::kResourceExhausted, "stream too large"); }

// Reads piece after piece in a loop, so that a source that completes in place never deepens the stack.
class Collector final : public std::enable_shared_from_this<Collector> {
 public:
  Collector(SharedExchange exchange, std::size_t limit, BodyHandler done)
      : exchange_(std::move(exchange)), limit_(limit), done_(std::move(done)) {}

  void run() {
    while (!finished_) {
      reading_ = true;
      arrived_ = false;
      exchange_->body().read([self = shared_from_this()](Result<std::string_view> piece) { self->take(piece); });
      reading_ = false;
      if (!arrived_) return;
    }
    finish();
  }

 private:
  void take(const Result<std::string_view>& piece) {
    arrived_ = true;
    if (!piece) {
      error_ = piece.error();
    } else if (piece->size() > limit_ - body_.size()) {
      error_ = too_large();
    } else {
      body_ += *piece;
    }
    finished_ = error_.code != Code::kOk || piece->empty();
    if (reading_) return;
    if (finished_) {
      finish();
    } else {
      run();
    }
  }

  void finish() {
    if (error_.code != Code::kOk) {
      done_(std::move(exchange_), std::unexpected(std::move(error_)));
    } else {
      done_(std::move(exchange_), std::string_view(body_));
    }
  }

  SharedExchange exchange_;
  std::size_t limit_;
  BodyHandler done_;
  std::string body_;
  Error error_{Code::kOk, {}, {}};
  bool reading_ = false;
  bool arrived_ = false;
  bool finished_ = false;
};

}  // namespace

bool announces_more_than(net::Headers headers, std::size_t limit) {
  const auto value = net::find_header(headers, "content-length");
  if (!value) return false;
  std::size_t length = 0;
  const auto [end, problem] = std::from_chars(value->data(), value->data() + value->size(), length);
  return problem == std::errc::result_out_of_range || (problem == std::errc() && length > limit);
}

void collect_body(SharedExchange exchange, std::size_t limit, BodyHandler done) {
  if (announces_more_than(exchange->head().headers, limit)) {
    done(std::move(exchange), std::unexpected(too_large()));
    return;
  }
  if (const auto whole = exchange->body().take_whole()) {
    if (whole->size() > limit) {
      done(std::move(exchange), std::unexpected(too_large()));
    } else {
      done(std::move(exchange), *whole);
    }
    return;
  }
  std::make_shared<Collector>(std::move(exchange), limit, std::move(done))->run();
}

}  // namespace tandem::api::http
