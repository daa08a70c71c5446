#include "api/http/cors.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/text.h"

namespace tandem::api::http {
namespace {

constexpr std::string_view kAll = "*";

bool is_method_allowed(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods = {"HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return net::is_one_of(method, kMethods);
}

bool matches(std::string_view pattern, std::string_view origin) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return net::equals_ignoring_case(pattern, origin);
  const std::string_view first = pattern.substr(0, star);
  const std::string_view last = pattern.substr(star + 1);
  return origin.size() >= first.size() + last.size() &&
         net::equals_ignoring_case(origin.substr(0, first.size()), first) &&
         net::equals_ignoring_case(origin.substr(origin.size() - last.size()), last);
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

// The names that a preflight asks for, each as Go writes a header's name: "Content-Type, X-Mine".
std::string canonical_names(std::string_view names) {
  std::string out;
  bool begins = true;
  for (std::size_t at = 0; at < names.size(); ++at) {
    char c = names[at];
    if (c == ',' || c == ' ') {
      begins = true;
      continue;
    }
    if (!is_name_character(c)) continue;
    if (at > 0 && begins && !out.empty() && (names[at - 1] == ',' || names[at - 1] == ' ')) out += ", ";
    if (begins && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!begins) c = to_lower(c);
    begins = c == '-';
    out += c;
  }
  return out;
}

// What the answer says to the page at `origin`.
void append_allowance(std::vector<net::Header>& headers, std::string_view allowed, std::string_view origin) {
  const bool all = allowed == kAll;
  headers.push_back({"Access-Control-Allow-Origin", all ? kAll : origin});
  if (all) headers.push_back({"Access-Control-Allow-Credentials", "true"});
}

}  // namespace

bool is_origin_allowed(std::string_view allowed, std::string_view origin) {
  if (origin.empty()) return false;
  while (!allowed.empty()) {
    const std::size_t comma = allowed.find(',');
    if (matches(allowed.substr(0, comma), origin)) return true;
    allowed = comma == std::string_view::npos ? std::string_view() : allowed.substr(comma + 1);
  }
  return false;
}

bool is_preflight(const net::RequestHead& head) {
  const auto method = net::find_header(head.headers, "access-control-request-method");
  return head.method == "OPTIONS" && method && !method->empty();
}

void answer_preflight(net::Exchange& exchange, std::string_view allowed) {
  const net::Headers request = exchange.head().headers;
  const std::string_view origin = net::find_header(request, "origin").value_or("");
  const std::string_view method = net::find_header(request, "access-control-request-method").value_or("");
  const std::string shown_method = upper(method);
  std::string names;  // both outlive the headers
  std::vector<net::Header> headers = {
      {"Vary", "Origin"}, {"Vary", "Access-Control-Request-Method"}, {"Vary", "Access-Control-Request-Headers"}};
  if (is_origin_allowed(allowed, origin) && is_method_allowed(method)) {
    append_allowance(headers, allowed, origin);
    headers.push_back({"Access-Control-Allow-Methods", shown_method});
    names = canonical_names(net::find_header(request, "access-control-request-headers").value_or(""));
    if (!names.empty()) headers.push_back({"Access-Control-Allow-Headers", names});
  }
  exchange.respond(200, headers, {});
}

void append_cors(std::vector<net::Header>& headers, const net::RequestHead& request, std::string_view allowed) {
  headers.push_back({"Vary", "Origin"});
  const auto origin = net::find_header(request.headers, "origin");
  if (origin && is_origin_allowed(allowed, *origin) && is_method_allowed(request.method)) {
    append_allowance(headers, allowed, *origin);
  }
}

}  // namespace tandem::api::http
