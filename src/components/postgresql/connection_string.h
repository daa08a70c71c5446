// A connection string taken apart: words and values, as they stand there. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::components::postgresql {

using Words = std::map<std::string, std::string, std::less<>>;

// "host=db user='a b'" or "postgres://user:password@host:port/database?word=value"; several hosts are separated by
// commas. "database" and "dbname" are one word, "dbname". Fails with kInvalidArgument, without a value in the message.
Result<Words> parse_connection_string(std::string_view text);

}  // namespace tandem::components::postgresql
