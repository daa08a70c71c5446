#include "blocks/configuration/update_request.h"

#include <string_view>
#include <utility>

#include "base/json.h"
#include "blocks/invoke/method.h"

namespace tandem::configuration {
namespace {

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

}  // namespace

// Go's omitempty: what is empty is left out.
void append_items(std::string& out, const Items& items) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : items) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, key);
    out += ":{";
    append_text(out, "value", item.value);
    append_text(out, "version", item.version);
    if (!item.metadata.empty()) {
      out += out.back() == '{' ? "\"metadata\":" : ",\"metadata\":";
      append_json_map(out, item.metadata);
    }
    out += '}';
  }
  out += '}';
}

std::string update_path(const Update& update) {
  const std::string key = update.items.empty() ? std::string() : invoke::escape_path(update.items.begin()->first);
  return "/configuration/" + invoke::escape_path(update.store) + "/" + key;
}

std::string update_body(const Update& update) {
  std::string body = "{";
  append_text(body, "id", update.id);
  body += ",\"items\":";
  append_items(body, update.items);
  body += "}\n";
  return body;
}

}  // namespace tandem::configuration
