#include "components/nameresolution/mdns/dns_message.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/text.h"

namespace tandem::components {
namespace {

constexpr std::uint16_t kTopBit = 0x8000;  // of a class: unicast wanted, or flush

template <class T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using Packet = std::unique_ptr<ldns_pkt, Free<ldns_pkt, ldns_pkt_free>>;
using Record = std::unique_ptr<ldns_rr, Free<ldns_rr, ldns_rr_free>>;

std::uint16_t class_of(const ldns_rr* rr) { return static_cast<std::uint16_t>(ldns_rr_get_class(rr)); }

std::string text_of(const ldns_rdf* field) {
  const std::unique_ptr<char, decltype(&std::free)> text(ldns_rdf2str(field), &std::free);
  return text ? text.get() : "";
}

std::string address_of(int family, const ldns_rdf* field) {
  const std::size_t size = family == AF_INET ? 4 : 16;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (ldns_rdf_size(field) != size ||
      ::inet_ntop(family, ldns_rdf_data(field), text.data(), static_cast<socklen_t>(text.size())) == nullptr) {
    return {};
  }
  return text.data();
}

// Nullopt: of a type that is left out, or without what it should have.
std::optional<DnsRecord> record_of(const ldns_rr* rr) {
  DnsRecord record{.name = text_of(ldns_rr_owner(rr)),
                   .type = static_cast<DnsType>(ldns_rr_get_type(rr)),
                   .ttl = ldns_rr_ttl(rr),
                   .flush = (class_of(rr) & kTopBit) != 0};
  const std::size_t fields = ldns_rr_rd_count(rr);
  switch (record.type) {
    case DnsType::kPtr:
      if (fields != 1) return std::nullopt;
      record.target = text_of(ldns_rr_rdf(rr, 0));
      return record;
    case DnsType::kSrv:
      if (fields != 4) return std::nullopt;
      record.port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
      record.target = text_of(ldns_rr_rdf(rr, 3));
      return record;
    case DnsType::kTxt:
      for (std::size_t i = 0; i < fields; ++i) {
        const ldns_rdf* field = ldns_rr_rdf(rr, i);
        // Its first byte is its length.
        const std::string_view bytes(reinterpret_cast<const char*>(ldns_rdf_data(field)), ldns_rdf_size(field));
        if (!bytes.empty()) record.texts.emplace_back(bytes.substr(1));
      }
      return record;
    case DnsType::kA:
    case DnsType::kAaaa:
      if (fields != 1) return std::nullopt;
      record.address = address_of(record.type == DnsType::kA ? AF_INET : AF_INET6, ldns_rr_rdf(rr, 0));
      if (record.address.empty()) return std::nullopt;
      return record;
    default: return std::nullopt;
  }
}

void append_records(const ldns_rr_list* list, std::vector<DnsRecord>& out) {
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    if (auto record = record_of(ldns_rr_list_rr(list, i))) out.push_back(std::move(*record));
  }
}

bool push_name(ldns_rr* rr, const std::string& name) {
  ldns_rdf* field = ldns_dname_new_frm_str(name.c_str());
  return field != nullptr && ldns_rr_push_rdf(rr, field);
}

bool push_number(ldns_rr* rr, std::uint16_t number) {
  return ldns_rr_push_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, number));
}

bool push_bytes(ldns_rr* rr, ldns_rdf_type type, std::string_view bytes) {
  ldns_rdf* field = ldns_rdf_new_frm_data(type, bytes.size(), bytes.data());
  return field != nullptr && ldns_rr_push_rdf(rr, field);
}

bool push_address(ldns_rr* rr, int family, const std::string& address) {
  std::array<char, 16> bytes{};
  if (::inet_pton(family, address.c_str(), bytes.data()) != 1) return false;
  return family == AF_INET ? push_bytes(rr, LDNS_RDF_TYPE_A, {bytes.data(), 4})
                           : push_bytes(rr, LDNS_RDF_TYPE_AAAA, {bytes.data(), 16});
}

bool push_fields(ldns_rr* rr, const DnsRecord& record) {
  switch (record.type) {
    case DnsType::kPtr: return push_name(rr, record.target);
    case DnsType::kSrv:
      return push_number(rr, 0) && push_number(rr, 0) && push_number(rr, record.port) && push_name(rr, record.target);
    case DnsType::kTxt:
      return std::ranges::all_of(record.texts, [&](const std::string& text) {
        return text.size() < 256 &&
               push_bytes(rr, LDNS_RDF_TYPE_STR, static_cast<char>(static_cast<unsigned char>(text.size())) + text);
      });
    case DnsType::kA: return push_address(rr, AF_INET, record.address);
    case DnsType::kAaaa: return push_address(rr, AF_INET6, record.address);
    case DnsType::kAny: return false;
  }
  return false;
}

Record new_record(const std::string& name, DnsType type, bool top_bit) {
  Record rr(ldns_rr_new());
  ldns_rdf* owner = ldns_dname_new_frm_str(name.c_str());
  if (!rr || owner == nullptr) return nullptr;
  ldns_rr_set_owner(rr.get(), owner);
  ldns_rr_set_type(rr.get(), static_cast<ldns_rr_type>(type));
  ldns_rr_set_class(rr.get(), static_cast<ldns_rr_class>(LDNS_RR_CLASS_IN | (top_bit ? kTopBit : 0)));
  return rr;
}

bool push(ldns_pkt* packet, ldns_pkt_section section, const std::vector<DnsRecord>& records) {
  for (const DnsRecord& record : records) {
    Record rr = new_record(record.name, record.type, record.flush);
    if (!rr || !push_fields(rr.get(), record)) return false;
    ldns_rr_set_ttl(rr.get(), record.ttl);
    if (!ldns_pkt_push_rr(packet, section, rr.get())) return false;
    (void)rr.release();
  }
  return true;
}

}  // namespace

std::optional<DnsMessage> read_dns(std::string_view bytes) {
  ldns_pkt* read = nullptr;
  if (bytes.size() > kMaxDnsMessage ||
      ldns_wire2pkt(&read, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) != LDNS_STATUS_OK) {
    return std::nullopt;
  }
  const Packet packet(read);
  DnsMessage message{.id = ldns_pkt_id(packet.get()), .response = ldns_pkt_qr(packet.get())};
  const ldns_rr_list* questions = ldns_pkt_question(packet.get());
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(questions); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(questions, i);
    message.questions.push_back({.name = text_of(ldns_rr_owner(rr)),
                                 .type = static_cast<DnsType>(ldns_rr_get_type(rr)),
                                 .unicast = (class_of(rr) & kTopBit) != 0});
  }
  append_records(ldns_pkt_answer(packet.get()), message.answers);
  append_records(ldns_pkt_authority(packet.get()), message.additional);
  append_records(ldns_pkt_additional(packet.get()), message.additional);
  return message;
}

std::optional<std::string> write_dns(const DnsMessage& message) {
  const Packet packet(ldns_pkt_new());
  if (!packet) return std::nullopt;
  ldns_pkt_set_id(packet.get(), message.id);
  ldns_pkt_set_qr(packet.get(), message.response);
  ldns_pkt_set_aa(packet.get(), message.response);
  for (const DnsQuestion& question : message.questions) {
    Record rr = new_record(question.name, question.type, question.unicast);
    if (!rr) return std::nullopt;
    ldns_rr_set_question(rr.get(), true);
    if (!ldns_pkt_push_rr(packet.get(), LDNS_SECTION_QUESTION, rr.get())) return std::nullopt;
    (void)rr.release();
  }
  if (!push(packet.get(), LDNS_SECTION_ANSWER, message.answers) ||
      !push(packet.get(), LDNS_SECTION_ADDITIONAL, message.additional)) {
    return std::nullopt;
  }
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&bytes, packet.get(), &size) != LDNS_STATUS_OK) return std::nullopt;
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner(bytes, &std::free);
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

bool same_name(std::string_view a, std::string_view b) { return equals_ignoring_case(a, b); }

}  // namespace tandem::components
