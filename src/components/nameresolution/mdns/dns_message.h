// Messages of multicast DNS (RFC 6762), as far as service discovery needs them, to and from the wire by libldns.
//
// Plain values and functions, any thread, never throw. Names are in presentation form with their last dot
// ("orders.local."), compared without regard to case. What a message has besides is left out when it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::components {

enum class DnsType : std::uint16_t { kA = 1, kPtr = 12, kTxt = 16, kAaaa = 28, kSrv = 33, kAny = 255 };

struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::kPtr;
  // The asker wants the answer for himself (RFC 6762, 5.4).
  bool unicast = false;
};

struct DnsRecord {
  std::string name;
  DnsType type = DnsType::kPtr;
  std::uint32_t ttl = 0;           // seconds; 0: the record is no longer true
  bool flush = false;              // it takes the place of all others with its name (RFC 6762, 10.2)
  std::string target;              // of PTR and SRV
  std::uint16_t port = 0;          // of SRV
  std::vector<std::string> texts;  // of TXT
  std::string address;             // of A and AAAA: "192.0.2.1"
};

struct DnsMessage {
  std::uint16_t id = 0;
  bool response = false;
  std::vector<DnsQuestion> questions;
  std::vector<DnsRecord> answers;     // of a question: what the asker knows already
  std::vector<DnsRecord> additional;  // read: with those of the authority section
};

// The longest that is read: what fits into a datagram.
inline constexpr std::size_t kMaxDnsMessage = 9000;

// Nullopt: it is none.
std::optional<DnsMessage> read_dns(std::string_view bytes);
// Nullopt: a name in it cannot be one, or an address is none.
std::optional<std::string> write_dns(const DnsMessage& message);

bool same_name(std::string_view a, std::string_view b);

}  // namespace tandem::components
