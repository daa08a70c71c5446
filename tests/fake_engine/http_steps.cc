// Steps of a script that make HTTP requests: call, relay, abandon.
#include "exchange.h"
#include "steps.h"

namespace tandem::fake {
namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "http://host:80/path?x name: value, name: value"
tdm_exchange& open(tdm_instance& instance, std::string_view text) {
  auto& exchange = *new tdm_exchange(instance);
  const std::size_t space = text.find(' ');
  std::string_view url = text.substr(0, space);
  std::string_view headers = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) throw Trap{"not a URL: " + std::string(url)};
  exchange.scheme = url.substr(0, colon);
  url.remove_prefix(colon + 3);
  const std::size_t slash = url.find('/');
  exchange.authority = url.substr(0, slash);
  exchange.target = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
  while (!headers.empty()) {
    const std::size_t comma = headers.find(',');
    const std::string_view header = headers.substr(0, comma);
    headers = comma == std::string_view::npos ? std::string_view() : headers.substr(comma + 1);
    const std::size_t end = header.find(':');
    if (end == std::string_view::npos) throw Trap{"not a header: " + std::string(header)};
    exchange.headers.emplace_back(trim(header.substr(0, end)), trim(header.substr(end + 1)));
  }
  instance.add_exchange(exchange);
  return exchange;
}

OwnedHeaders passed_on(const OwnedHeaders& headers) {
  OwnedHeaders passed;
  for (const auto& header : headers) {
    if (!header.first.starts_with("fake-") && header.first != "content-length") passed.push_back(header);
  }
  return passed;
}

void respond_failure(tdm_instance& instance, const tdm_exchange& exchange) {
  instance.respond(500, {}, "wasi:http error " + std::to_string(exchange.error) + ": " + exchange.error_text);
}

class Call final : public Step {
 public:
  explicit Call(std::string url) : url_(std::move(url)) {}
  bool poll(tdm_instance& instance) override {
    if (!exchange_) exchange_.set(open(instance, url_));
    if (exchange_->state == tdm_exchange::State::kWaiting) return false;
    if (exchange_->state == tdm_exchange::State::kFailed) {
      respond_failure(instance, *exchange_.operator->());
    } else {
      body_ += exchange_->body.take();
      if (!exchange_->body.ended()) return false;
      if (exchange_->body.broken) {
        instance.respond(500, {}, "the answer broke off");
      } else {
        instance.respond(exchange_->status, passed_on(exchange_->answer_headers), body_);
      }
    }
    exchange_.drop();
    return true;
  }

 private:
  const std::string url_;
  Hold exchange_;
  std::string body_;
};

class Relay final : public Step {
 public:
  explicit Relay(std::string url) : url_(std::move(url)) {}
  bool poll(tdm_instance& instance) override {
    if (!exchange_) {
      tdm_exchange& exchange = open(instance, url_);
      exchange.method = "POST";
      exchange.with_body = true;
      exchange_.set(exchange);
    }
    if (exchange_->out.end == BodyOut::End::kOpen) push(instance);
    if (exchange_->state == tdm_exchange::State::kWaiting) return false;
    if (exchange_->state == tdm_exchange::State::kFailed) {
      respond_failure(instance, *exchange_.operator->());
      exchange_.drop();
      return true;
    }
    if (!std::exchange(answered_, true)) {
      instance.respond_streaming(exchange_->status, passed_on(exchange_->answer_headers));
    }
    if (!pull(instance)) return false;
    exchange_.drop();
    return true;
  }

 private:
  // The request's body, to the exchange.
  void push(tdm_instance& instance) {
    while (exchange_->out.room() > 0) {
      const std::string piece = instance.body.take();
      if (!piece.empty()) {
        exchange_->out.write(piece);
        continue;
      }
      if (instance.body.complete) exchange_->out.end = BodyOut::End::kFinished;
      if (instance.body.broken) exchange_->out.end = BodyOut::End::kCut;
      return;
    }
  }
  // The answer's body, to the client. True at its end.
  bool pull(tdm_instance& instance) {
    while (instance.answer.body.room() > 0) {
      const std::string piece = exchange_->body.take();
      if (!piece.empty()) {
        instance.answer.body.write(piece);
        continue;
      }
      if (exchange_->body.broken) instance.answer.body.end = BodyOut::End::kCut;
      return exchange_->body.ended();
    }
    return false;
  }

  const std::string url_;
  Hold exchange_;
  bool answered_ = false;
};

class Abandon final : public Step {
 public:
  explicit Abandon(std::string url) : url_(std::move(url)) {}
  bool poll(tdm_instance& instance) override {
    if (!exchange_) {
      exchange_.set(open(instance, url_));
      // Once more in this poll, when the request has left.
      instance.waker().fire();
      return false;
    }
    exchange_.drop();
    return true;
  }

 private:
  const std::string url_;
  Hold exchange_;
};

}  // namespace

std::unique_ptr<Step> make_http_step(StepText& text) {
  if (text.verb == "call") return std::make_unique<Call>(std::move(text.words[0]));
  if (text.verb == "relay") return std::make_unique<Relay>(std::move(text.words[0]));
  if (text.verb == "abandon") return std::make_unique<Abandon>(std::move(text.words[0]));
  return nullptr;
}

}  // namespace tandem::fake
