// Fuzzes the Dapr HTTP API over fakes: "METHOD TARGET\n", a byte that says how the body is cut, and the body.
//
// Whatever comes in is answered exactly once, and an answer that says it is JSON is JSON.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/http/testing/test_api.h"
#include "base/json.h"

namespace {

using tandem::parse_json;
using tandem::api::http::Answer;
using tandem::api::http::TestApi;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos || line + 1 >= size) return 0;
  const std::string_view head = input.substr(0, line);
  const std::size_t space = head.find(' ');
  if (space == std::string_view::npos) return 0;
  // An API a request: nothing that one input leaves behind changes the next.
  TestApi api;
  const Answer answer = api.call({.method = std::string(head.substr(0, space)),
                                  .target = std::string(head.substr(space + 1)),
                                  .headers = {{"content-type", "application/json"}},
                                  .body = std::string(input.substr(line + 2)),
                                  .piece = data[line + 1] % 8U});
  require(answer.count == 1);
  require(answer.status >= 200 && answer.status < 600);
  if (answer.header("content-type") == "application/json" && !answer.body.empty()) {
    require(parse_json(answer.body).has_value());
  }
  return 0;
}
