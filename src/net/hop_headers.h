// Headers that mean one connection and do not go on with a message that is passed on (RFC 9110, 7.6.1).
//
// A function, and a value over the caller's headers, which outlive it. Any thread, never throws.
#pragma once

#include <string_view>
#include <vector>

#include "net/http.h"

namespace tandem::net {

// One of those that every proxy leaves out, whatever the message says. Source: daprd 1.18, IsHopByHopHeader.
bool is_hop_by_hop(std::string_view name);

// Those, and the ones that the Connection headers of one message name.
class HopHeaders final {
 public:
  explicit HopHeaders(Headers headers);
  // For headers that are kept in another form: add() for each of them, before the first contains().
  HopHeaders() = default;
  void add(std::string_view name, std::string_view value);

  bool contains(std::string_view name) const;

 private:
  std::vector<std::string_view> named_;
};

}  // namespace tandem::net
