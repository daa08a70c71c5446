#include "components/postgresql/connection_string.h"

#include <algorithm>
#include <utility>

#include "base/percent.h"

namespace tandem::components::postgresql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

std::unexpected<Error> invalid(const std::string& what) {
  return fail(Code::kInvalidArgument, "connectionString: " + what);
}

// Both drivers' words for the same thing.
std::string libpq_word(std::string_view word) { return word == "database" ? "dbname" : std::string(word); }

Result<Words> parse_words(std::string_view text) {
  Words words;
  std::size_t at = 0;
  const auto skip_spaces = [&] {
    while (at < text.size() && is_space(text[at])) ++at;
  };
  for (skip_spaces(); at < text.size(); skip_spaces()) {
    const std::size_t start = at;
    while (at < text.size() && text[at] != '=' && !is_space(text[at])) ++at;
    const std::string word = libpq_word(text.substr(start, at - start));
    skip_spaces();
    if (at == text.size() || text[at] != '=') return invalid("\"=\" is missing after \"" + word + "\"");
    ++at;
    skip_spaces();
    if (word.empty()) return invalid("a \"=\" has no word before it");
    std::string value;
    const bool quoted = at < text.size() && text[at] == '\'';
    if (quoted) ++at;
    while (at < text.size() && (quoted ? text[at] != '\'' : !is_space(text[at]))) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value.push_back(text[at++]);
    }
    if (quoted) {
      if (at == text.size()) return invalid("the quote of \"" + word + "\" is not closed");
      ++at;
    }
    words.insert_or_assign(word, std::move(value));
  }
  return words;
}

// libpq takes no NUL, written so or so.
Result<std::string> percent_decoded(std::string_view text, std::string_view part) {
  Result<std::string> result = percent_decode(text);
  if (result && !result->contains('\0')) return result;
  return invalid("the URL's " + std::string(part) + " has a \"%\" that is not followed by two hexadecimal digits");
}

// "a:1,b,[::1]:5433" -> hosts "a,b,::1" and ports "1,,5433".
Status read_hosts(std::string_view list, Words& words) {
  std::string hosts, ports;
  bool has_port = false;
  for (bool first = true; first || !list.empty(); first = false) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    std::string_view port;
    std::size_t colon = one.rfind(':');
    if (one.starts_with('[')) {
      const std::size_t close = one.find(']');
      if (close == std::string_view::npos) return invalid("the URL's host has a \"[\" without a \"]\"");
      colon = close + 1 < one.size() && one[close + 1] == ':' ? close + 1 : std::string_view::npos;
      if (colon != std::string_view::npos) port = one.substr(colon + 1);
      one = one.substr(1, close - 1);
    } else if (colon != std::string_view::npos) {
      port = one.substr(colon + 1);
      one = one.substr(0, colon);
    }
    const Result<std::string> host = percent_decoded(one, "host");
    if (!host) return fail(host.error());
    hosts.append(first ? "" : ",").append(*host);
    ports.append(first ? "" : ",").append(port);
    has_port = has_port || !port.empty();
  }
  if (hosts.find_first_not_of(',') != std::string::npos) words["host"] = hosts;
  if (has_port) words["port"] = ports;
  return {};
}

Result<Words> parse_url(std::string_view rest) {
  Words words;
  std::string_view query;
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(std::min(slash + 1, rest.size()));
  const auto put = [&](const std::string& word, std::string_view encoded) -> Status {
    Result<std::string> value = percent_decoded(encoded, word);
    if (!value) return fail(std::move(value.error()));
    if (!value->empty()) words.insert_or_assign(libpq_word(word), std::move(*value));
    return {};
  };
  if (const std::size_t sign = authority.rfind('@'); sign != std::string_view::npos) {
    const std::string_view login = authority.substr(0, sign);
    authority.remove_prefix(sign + 1);
    const std::size_t colon = std::min(login.find(':'), login.size());
    if (Status status = put("user", login.substr(0, colon)); !status) return fail(std::move(status.error()));
    if (Status status = put("password", login.substr(std::min(colon + 1, login.size()))); !status) {
      return fail(std::move(status.error()));
    }
  }
  if (Status status = read_hosts(authority, words); !status) return fail(std::move(status.error()));
  if (Status status = put("dbname", path); !status) return fail(std::move(status.error()));
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return invalid("the URL's query has a word without \"=\"");
    const Result<std::string> word = percent_decoded(item.substr(0, equals), "query");
    if (!word) return fail(word.error());
    if (Status status = put(*word, item.substr(equals + 1)); !status) return fail(std::move(status.error()));
  }
  return words;
}

}  // namespace

Result<Words> parse_connection_string(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return invalid("it contains a NUL character");
  for (const std::string_view scheme : {"postgres://", "postgresql://"}) {
    if (text.starts_with(scheme)) return parse_url(text.substr(scheme.size()));
  }
  return parse_words(text);
}

}  // namespace tandem::components::postgresql
