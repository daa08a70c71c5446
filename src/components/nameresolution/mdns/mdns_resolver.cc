#include "components/nameresolution/mdns/mdns_resolver.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <utility>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kDomain = ".local.";
constexpr std::string_view kAllServices = "_services._dns-sd._udp.local.";
constexpr std::size_t kMaxWaiting = 10'000;
constexpr std::size_t kMaxQuestions = 32;    // of one datagram
constexpr std::uint32_t kServiceTtl = 3200;  // as daprd announces them
constexpr std::uint32_t kAddressTtl = 120;   // RFC 6762, 10
constexpr std::chrono::minutes kInUse{5};    // a name that nobody has asked for in this time is not asked for again
constexpr milliseconds kFarewell{1000};

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  const std::string_view text(name.data());
  return std::string(text.substr(0, text.find('.')));
}

std::string service_name(std::string_view app_id) { return std::string(app_id) + std::string(kDomain); }

// The app id of "<instance>.<app id>.local."; empty when it is none.
std::string_view app_id_of(std::string_view instance_name) {
  if (!instance_name.ends_with(kDomain)) return {};
  instance_name.remove_suffix(kDomain.size());
  const std::size_t dot = instance_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : instance_name.substr(dot + 1);
}

bool can_be_label(std::string_view app_id) {
  return !app_id.empty() && app_id.size() <= 63 && std::ranges::all_of(app_id, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address == "localhost";
}
bool is_any(std::string_view address) { return address.empty() || address == "0.0.0.0" || address == "::"; }

Error not_found(std::string_view app_id) {
  return make_error(Code::kNotFound, fmt::format("couldn't find service: {}", app_id));
}

}  // namespace

MdnsResolver::MdnsResolver(net::Worker& worker, const Logger* log, MdnsOptions options)
    : worker_(worker),
      log_(log),
      options_(std::move(options)),
      host_(machine_name()),
      instance_(fmt::format("{}:{}", host_, ::getpid())) {}

MdnsResolver::~MdnsResolver() = default;

void MdnsResolver::resolve(std::string_view app_id, std::string_view, TimedExecutor& on, Completion<std::string> done) {
  if (!can_be_label(app_id)) return done(fail(not_found(app_id)));
  if (auto known = cache_.next(app_id, std::chrono::steady_clock::now())) return done(std::move(*known));
  worker_.post([this, app_id = std::string(app_id), waiting = Waiting{&on, std::move(done)}]() mutable {
    search(std::move(app_id), std::move(waiting));
  });
}

void MdnsResolver::forget(std::string_view app_id, std::string_view address) { cache_.remove_address(app_id, address); }

bool MdnsResolver::open() {
  if (std::exchange(opened_, true)) return multicast_ != nullptr;
  auto multicast = Multicast::open(worker_, options_.port,
                                   [this](std::string_view bytes, const Source& source) { receive(bytes, source); });
  if (!multicast) {
    if (log_ != nullptr) {
      log_->warn("tandem.nameresolution.mdns", "multicast DNS is not there: apps of other processes are not found",
                 {{"error", multicast.error().message}});
    }
    return false;
  }
  multicast_ = std::move(*multicast);
  worker_.post_after(options_.refresh, [this] { refresh(); });
  return true;
}

void MdnsResolver::search(std::string app_id, Waiting waiting) {
  const auto finish = [&](Result<std::string> result) {
    waiting.on->post([done = std::move(waiting.done), result = std::move(result)]() mutable { done(result); });
  };
  // Somebody else's search may have ended meanwhile.
  if (auto known = cache_.next(app_id, std::chrono::steady_clock::now())) return finish(std::move(*known));
  if (!open()) return finish(fail(not_found(app_id)));
  if (waiting_ >= kMaxWaiting) {
    return finish(fail(Code::kResourceExhausted, fmt::format("too many names are being looked up: {}", app_id)));
  }
  ++waiting_;
  Search& search = searches_[app_id];
  search.waiting.push_back(std::move(waiting));
  if (search.waiting.size() > 1) return;
  search.number = ++next_number_;
  multicast_->look();
  ask(app_id);
  // A question or its answer may get lost.
  ask_again(app_id, search.number, options_.patience / 8);
  ask_again(app_id, search.number, options_.patience / 2);
  worker_.post_after(options_.patience, [this, app_id, number = search.number] { give_up(app_id, number); });
}

void MdnsResolver::ask(const std::string& app_id) {
  const auto bytes = write_dns({.questions = {{.name = service_name(app_id), .type = DnsType::kPtr}}});
  if (!bytes) return;
  for (const Interface& interface : multicast_->interfaces()) multicast_->send(interface, *bytes);
}

void MdnsResolver::ask_again(const std::string& app_id, std::uint64_t number, milliseconds delay) {
  worker_.post_after(delay, [this, app_id, number] {
    const auto found = searches_.find(app_id);
    if (found != searches_.end() && found->second.number == number) ask(app_id);
  });
}

void MdnsResolver::give_up(const std::string& app_id, std::uint64_t number) {
  const auto found = searches_.find(app_id);
  if (found == searches_.end() || found->second.number != number) return;
  std::vector<Waiting> waiting = std::move(found->second.waiting);
  searches_.erase(found);
  waiting_ -= waiting.size();
  for (Waiting& one : waiting) {
    one.on->post([done = std::move(one.done), error = not_found(app_id)]() mutable { done(fail(std::move(error))); });
  }
}

void MdnsResolver::refresh() {
  const auto now = std::chrono::steady_clock::now();
  multicast_->look();
  for (const std::string& app_id : cache_.used_since(now - kInUse, now)) ask(app_id);
  worker_.post_after(options_.refresh, [this] { refresh(); });
}

void MdnsResolver::receive(std::string_view bytes, const Source& source) {
  const auto message = read_dns(bytes);
  if (!message) return;
  if (!message->response) return answer_query(*message, source);
  // RFC 6762, 6: answers come from the port alone.
  if (source.port == options_.port) take_response(*message, source);
}

void MdnsResolver::take_response(const DnsMessage& message, const Source& source) {
  std::vector<DnsRecord> records = message.answers;
  records.insert(records.end(), message.additional.begin(), message.additional.end());
  const bool own_machine = is_loopback(source.address) || multicast_->is_own(source.address);
  for (const DnsRecord& record : records) {
    if (record.type == DnsType::kSrv) take_service(record, records, own_machine);
  }
}

void MdnsResolver::take_service(const DnsRecord& service, const std::vector<DnsRecord>& records, bool own_machine) {
  const std::string app_id(app_id_of(service.name));
  const auto searched = searches_.find(app_id);
  if (app_id.empty() || (searched == searches_.end() && !cache_.knows(app_id))) return;
  const bool other = std::ranges::any_of(records, [&](const DnsRecord& one) {
    return one.type == DnsType::kTxt && same_name(one.name, service.name) &&
           std::ranges::find(one.texts, app_id) == one.texts.end();
  });
  if (other) return;
  if (service.ttl == 0) return cache_.remove_instance(app_id, service.name);
  std::string address;
  for (const DnsType type : {DnsType::kA, DnsType::kAaaa}) {
    for (const DnsRecord& one : records) {
      // Another machine's loopback is not ours, and its link not known here.
      const bool usable = own_machine || !is_loopback(one.address);
      if (!address.empty() || one.type != type || !usable || one.address.starts_with("fe80:")) continue;
      if (same_name(one.name, service.target)) address = one.address;
    }
  }
  if (address.empty() || service.port == 0) return;
  const bool v6 = address.find(':') != std::string::npos;
  const auto now = std::chrono::steady_clock::now();
  const auto until = now + std::min<std::chrono::seconds>(options_.belief, std::chrono::seconds(service.ttl));
  cache_.put(app_id, service.name,
             v6 ? fmt::format("[{}]:{}", address, service.port) : fmt::format("{}:{}", address, service.port), until);
  if (searched == searches_.end()) return;
  std::vector<Waiting> waiting = std::move(searched->second.waiting);
  searches_.erase(searched);
  waiting_ -= waiting.size();
  for (Waiting& one : waiting) {
    const auto found = cache_.next(app_id, now);
    one.on->post([done = std::move(one.done), found, app_id]() mutable {
      if (!found) return done(fail(not_found(app_id)));
      done(*found);
    });
  }
}

std::vector<std::string> MdnsResolver::addresses_of(const invoke::Announcement& app, const Interface& interface) const {
  if (!is_any(app.listen_address)) return {app.listen_address == "localhost" ? "127.0.0.1" : app.listen_address};
  if (!options_.host_address.empty() && !interface.loopback) return {options_.host_address};
  return interface.addresses.empty() ? interface.link_local : interface.addresses;
}

DnsMessage MdnsResolver::records_of(const invoke::Announcement& app, const Interface& interface,
                                    std::uint32_t ttl) const {
  const std::string service = service_name(app.app_id);
  const std::string instance = fmt::format("{}.{}", instance_, service);
  // A name of its own: the machine's may be another program's.
  const std::string host = fmt::format("{}-{}{}", host_, ::getpid(), kDomain);
  DnsMessage message{.response = true};
  message.answers.push_back({.name = service, .type = DnsType::kPtr, .ttl = ttl, .target = instance});
  message.additional.push_back(
      {.name = instance, .type = DnsType::kSrv, .ttl = ttl, .flush = true, .target = host, .port = app.port});
  message.additional.push_back(
      {.name = instance, .type = DnsType::kTxt, .ttl = ttl, .flush = true, .texts = {app.app_id}});
  for (const std::string& address : addresses_of(app, interface)) {
    message.additional.push_back({.name = host,
                                  .type = address.find(':') == std::string::npos ? DnsType::kA : DnsType::kAaaa,
                                  .ttl = std::min(ttl, kAddressTtl),
                                  .address = address});
  }
  return message;
}

void MdnsResolver::answer_query(const DnsMessage& query, const Source& source) {
  // A datagram has room for a thousand questions, and each would be an answer.
  if (announced_.empty() || query.questions.size() > kMaxQuestions) return;
  const auto& interfaces = multicast_->interfaces();
  const auto interface = std::ranges::find(interfaces, source.interface, &Interface::index);
  if (interface == interfaces.end()) return;
  const bool own_machine = is_loopback(source.address) || multicast_->is_own(source.address);
  // A simple resolver asks from a port of its own, and expects its question back (RFC 6762, 6.7).
  const bool legacy = source.port != options_.port;
  for (const invoke::Announcement& app : announced_) {
    // Nobody else could use it.
    if (is_loopback(app.listen_address) && !own_machine) continue;
    for (const DnsQuestion& question : query.questions) {
      DnsMessage message = records_of(app, *interface, kServiceTtl);
      const DnsRecord& pointer = message.answers.front();
      if (same_name(question.name, kAllServices)) {
        message.answers = {
            {.name = std::string(kAllServices), .type = DnsType::kPtr, .ttl = kServiceTtl, .target = pointer.name}};
        message.additional.clear();
      } else if (same_name(question.name, pointer.name)) {
        if (question.type != DnsType::kPtr && question.type != DnsType::kAny) continue;
        const bool known = std::ranges::any_of(query.answers, [&](const DnsRecord& one) {
          return one.type == DnsType::kPtr && same_name(one.name, pointer.name) &&
                 same_name(one.target, pointer.target) && one.ttl >= kServiceTtl / 2;
        });
        if (known) continue;
      } else if (same_name(question.name, pointer.target)) {
        message.answers.swap(message.additional);
      } else {
        continue;
      }
      if (legacy) {
        message.id = query.id;
        message.questions = {question};
      }
      const auto bytes = write_dns(message);
      if (!bytes) continue;
      if (legacy || question.unicast) {
        multicast_->send_to(source, *bytes);
      } else {
        multicast_->send(*interface, *bytes);
      }
    }
  }
}

void MdnsResolver::say_to_all(const invoke::Announcement& app, std::uint32_t ttl) {
  for (const Interface& interface : multicast_->interfaces()) {
    if (is_loopback(app.listen_address) && !interface.loopback) continue;
    if (const auto bytes = write_dns(records_of(app, interface, ttl))) multicast_->send(interface, *bytes);
  }
}

void MdnsResolver::announce(invoke::Announcement app) {
  worker_.post([this, app = std::move(app)] {
    if (!open()) return;
    if (!can_be_label(app.app_id)) {
      if (log_ != nullptr) {
        log_->warn("tandem.nameresolution.mdns", "the app cannot be found by others: its id is no name of DNS",
                   {{"app_id", app.app_id}});
      }
      return;
    }
    announced_.push_back(app);
    say_to_all(app, kServiceTtl);
    // RFC 6762, 8.3: twice, a second apart.
    worker_.post_after(std::chrono::seconds(1), [this, app_id = app.app_id] {
      const auto still = std::ranges::find(announced_, app_id, &invoke::Announcement::app_id);
      if (still != announced_.end()) say_to_all(*still, kServiceTtl);
    });
  });
}

void MdnsResolver::withdraw() {
  // Shared: the worker may be too busy for the wait.
  const auto said = std::make_shared<std::promise<void>>();
  std::future<void> done = said->get_future();
  worker_.post([this, said] {
    if (multicast_ != nullptr) {
      for (const invoke::Announcement& app : announced_) say_to_all(app, 0);
    }
    announced_.clear();
    said->set_value();
  });
  (void)done.wait_for(kFarewell);
}

}  // namespace tandem::components
