#include "components/name_resolvers.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "components/nameresolution/mdns/mdns_resolver.h"
#include "components/nameresolution/nameformat/name_format_resolver.h"

namespace tandem::components {
namespace {

Result<std::unique_ptr<invoke::NameResolver>> make_name_format(const config::NameResolution& wanted) {
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(wanted.configuration, error);
  const boost::json::object* object = error ? nullptr : parsed.if_object();
  const boost::json::value* format = object == nullptr ? nullptr : object->if_contains("format");
  if (format == nullptr || !format->is_string() || format->get_string().empty()) {
    return fail(Code::kInvalidArgument,
                "spec.nameResolution.configuration.format is missing: as \"{appid}.local:50002\"");
  }
  std::string pattern(format->get_string());
  if (pattern.find("{appid}") == std::string::npos) {
    return fail(Code::kInvalidArgument, "spec.nameResolution.configuration.format must contain {appid}");
  }
  return std::make_unique<NameFormatResolver>(std::move(pattern));
}

}  // namespace

Result<std::unique_ptr<invoke::NameResolver>> make_name_resolver(const std::optional<config::NameResolution>& wanted,
                                                                 const ResolverParts& parts) {
  const std::string component = wanted && !wanted->component.empty() ? wanted->component : "mdns";
  const bool known = component == "mdns" || component == "nameformat";
  if (!known) {
    return fail(
        Code::kUnimplemented,
        fmt::format("spec.nameResolution.component \"{}\" is not supported: mdns and nameformat are", component));
  }
  if (wanted && !wanted->version.empty() && wanted->version != "v1") {
    return fail(Code::kUnimplemented, fmt::format("spec.nameResolution.version \"{}\" of {} is not known: it is v1",
                                                  wanted->version, component));
  }
  if (component == "nameformat") return make_name_format(*wanted);
  return std::make_unique<MdnsResolver>(parts.workers[0], &parts.log, MdnsOptions{.host_address = parts.host_address});
}

}  // namespace tandem::components
