// The sink of a call in flight: it hears one thing at a time, and goes when the call is over, but never inside one of
// its own callbacks.
//
// Owned by its call; the worker's thread only.
#pragma once

#include <memory>
#include <utility>

#include "net/response_sink.h"

namespace tandem::net {

class HeldSink final {
 public:
  explicit HeldSink(std::unique_ptr<ResponseSink> sink) : sink_(std::move(sink)) {}

  // It may hear something.
  explicit operator bool() const { return sink_ != nullptr; }
  // One of its callbacks has led here.
  bool in_callback() const { return in_callback_; }

  template <class Callback>
  void tell(Callback callback) {
    in_callback_ = true;
    callback(*sink_);
    in_callback_ = false;
    if (call_over_) sink_.reset();
  }

  // What it hears from now on is the last.
  void call_is_over() { call_over_ = true; }
  // It hears nothing more. Not in a callback.
  void drop() { sink_.reset(); }

 private:
  std::unique_ptr<ResponseSink> sink_;
  bool in_callback_ = false;
  bool call_over_ = false;
};

}  // namespace tandem::net
