#include "components/nameresolution/nameformat/name_format_resolver.h"

namespace tandem::components {

void NameFormatResolver::resolve(std::string_view app_id, std::string_view, TimedExecutor&,
                                 Completion<std::string> done) {
  constexpr std::string_view kPlace = "{appid}";
  std::string address = format_;
  for (std::size_t at = address.find(kPlace); at != std::string::npos; at = address.find(kPlace, at + app_id.size())) {
    address.replace(at, kPlace.size(), app_id);
  }
  done(std::move(address));
}

}  // namespace tandem::components
