// Name resolution by multicast DNS, Dapr's default on one machine and in one network: an app's service type is its bare
// app id ("orders.local."), an instance of it is "<host>:<pid>.orders.local.", with SRV, TXT (the app id), A and AAAA.
//
// Owned by the server, made before the workers start, destroyed after they have stopped. The sockets are worker 0's;
// resolve() and forget() may be called on any worker, and a name that is known completes inside resolve(). A name that
// nobody answers to fails after a second, as in daprd. A machine without multicast is one warning in the log; then
// nobody is found. Source: RFC 6762 and 6763, and the records of daprd 1.18.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "blocks/invoke/name_resolver.h"
#include "components/nameresolution/mdns/address_cache.h"
#include "components/nameresolution/mdns/dns_message.h"
#include "components/nameresolution/mdns/multicast.h"
#include "net/worker.h"

namespace tandem::components {

struct MdnsOptions {
  std::uint16_t port = 5353;
  // How long somebody may take to answer to a name.
  std::chrono::milliseconds patience{1000};
  // How often names in use are asked for again, and how long an answer is believed: daprd's own.
  std::chrono::seconds refresh{30};
  std::chrono::seconds belief{60};
  // What an app that listens on all addresses is announced with (DAPR_HOST_IP); empty: those of each interface.
  std::string host_address;
};

class MdnsResolver final : public invoke::NameResolver {
 public:
  // `log` may be null; all of it outlives the resolver.
  MdnsResolver(net::Worker& worker, const Logger* log, MdnsOptions options = {});
  ~MdnsResolver() override;

  void resolve(std::string_view app_id, std::string_view name_space, TimedExecutor& on,
               Completion<std::string> done) override;
  void forget(std::string_view app_id, std::string_view address) override;
  void announce(invoke::Announcement app) override;
  void withdraw() override;

 private:
  struct Waiting {
    TimedExecutor* on;
    Completion<std::string> done;
  };
  struct Search {
    std::vector<Waiting> waiting;
    std::uint64_t number = 0;
  };

  // On the worker.
  bool open();
  void search(std::string app_id, Waiting waiting);
  void ask(const std::string& app_id);
  void ask_again(const std::string& app_id, std::uint64_t number, std::chrono::milliseconds delay);
  void give_up(const std::string& app_id, std::uint64_t number);
  void refresh();
  void receive(std::string_view bytes, const Source& source);
  void take_response(const DnsMessage& message, const Source& source);
  void take_service(const DnsRecord& service, const std::vector<DnsRecord>& records, bool own_machine);
  void answer_query(const DnsMessage& query, const Source& source);
  void say_to_all(const invoke::Announcement& app, std::uint32_t ttl);
  std::vector<std::string> addresses_of(const invoke::Announcement& app, const Interface& interface) const;
  DnsMessage records_of(const invoke::Announcement& app, const Interface& interface, std::uint32_t ttl) const;

  net::Worker& worker_;
  const Logger* const log_;
  const MdnsOptions options_;
  const std::string host_;      // the machine's name, without a domain
  const std::string instance_;  // "<host>:<pid>"
  AddressCache cache_;

  // On the worker.
  bool opened_ = false;
  std::unique_ptr<Multicast> multicast_;  // null: not there
  std::vector<invoke::Announcement> announced_;
  std::map<std::string, Search, std::less<>> searches_;
  std::size_t waiting_ = 0;
  std::uint64_t next_number_ = 0;
};

}  // namespace tandem::components
