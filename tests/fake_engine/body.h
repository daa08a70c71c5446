// The two directions of a body, with the bounds and the back-pressure of the real engine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace tandem::fake {

// Written by the guest, taken by C++.
struct BodyOut {
  enum class End { kOpen, kFinished, kCut };
  static constexpr std::size_t kCapacity = 64 * 1024;

  std::string buffer;
  bool in_flight = false;  // a piece is with C++
  bool discard = false;    // nobody wants it
  End end = End::kOpen;

  std::size_t room() const { return discard ? kCapacity : kCapacity - std::min(kCapacity, buffer.size()); }
  void write(std::string_view bytes) {
    if (!discard) buffer += bytes;
  }
};

// Given by C++, read by the guest.
struct BodyIn {
  std::string buffer;
  bool complete = false;
  bool broken = false;
  bool want = false;   // the guest ran out
  bool asked = false;  // and C++ knows

  bool ended() const { return complete || broken; }
  // What is there; when that is nothing, more is wanted.
  std::string take() {
    if (buffer.empty() && !ended()) want = true;
    return std::exchange(buffer, {});
  }
  // True once for each time that the guest ran out.
  bool take_want() {
    const bool ask = std::exchange(want, false) && !asked && !ended();
    asked = asked || ask;
    return ask;
  }
};

}  // namespace tandem::fake
