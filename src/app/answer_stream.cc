#include "app/answer_stream.h"

namespace tandem::app {

void append_headers(engine::Fields fields, std::vector<net::Header>& out) {
  for (const tdm_header& field : fields) out.push_back({engine::view(field.name), engine::view(field.value)});
}

void AnswerStream::start(int status, net::Headers headers, std::string_view first) {
  exchange_->start(status, headers);
  if (first.empty()) {
    written({});
  } else {
    send(first);
  }
}

void AnswerStream::write(std::string_view piece) {
  if (failed_) return;
  if (writing_) {
    waiting_ += piece;
  } else {
    send(piece);
  }
}

void AnswerStream::finish(engine::Fields trailers) {
  for (const tdm_header& field : trailers) trailers_.emplace_back(engine::view(field.name), engine::view(field.value));
  end_ = End::kFinished;
  if (!writing_) end();
}

void AnswerStream::cut() {
  end_ = End::kCut;
  if (!writing_) end();
}

void AnswerStream::send(std::string_view piece) {
  writing_ = true;
  exchange_->write(piece, [self = shared_from_this()](Status status) {
    self->writing_ = false;
    self->written(std::move(status));
  });
}

void AnswerStream::written(Status status) {
  if (!status) {
    failed_ = true;
    waiting_.clear();
    if (instance_) instance_->discard_answer();
    return;
  }
  if (!waiting_.empty()) {
    const std::string piece = std::move(waiting_);
    waiting_.clear();
    send(piece);
    return;
  }
  if (end_ != End::kOpen) {
    end();
  } else if (instance_) {
    instance_->drained();
  }
}

void AnswerStream::end() {
  if (failed_) return;
  if (end_ == End::kCut) {
    exchange_->abort();
    return;
  }
  std::vector<net::Header> trailers;
  for (const auto& [name, value] : trailers_) trailers.push_back({name, value});
  exchange_->finish(trailers);
}

}  // namespace tandem::app
