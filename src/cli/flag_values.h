// Reads the values of flags: ports, amounts, KEY=VALUE, mounts. Pure; any thread. Fails with kInvalidArgument and a
// message that quotes the value and says what is expected; whoever asked puts the flag's name before it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/app_file.h"

namespace tandem::cli {

// "true", "false" and what Go's flags take for them: t, f, 1, 0, T, F, TRUE, FALSE, True, False.
Result<bool> parse_boolean(std::string_view text);
Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most);
// 0 to 65535; 0 stands for any free port.
Result<std::uint16_t> parse_port(std::string_view text);
// More than nothing: "60s", "1m30s".
Result<std::chrono::nanoseconds> parse_limit(std::string_view text);
// At least a page of WebAssembly memory: "64Mi".
Result<std::uint64_t> parse_memory(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);
// "KEY=VALUE"; the value may be empty.
Result<std::pair<std::string, std::string>> parse_variable(std::string_view text);
// "HOST:GUEST", "HOST:GUEST:ro" or ":rw". HOST is made absolute against the current folder, GUEST is absolute.
Result<config::FileMount> parse_mount(std::string_view text);
// One numeric address, "localhost", or "[::1]". The result has no brackets.
Result<std::string> parse_listen_address(std::string_view text);
// Several of them, separated by commas: at least one.
Result<std::vector<std::string>> parse_listen_addresses(std::string_view text);

}  // namespace tandem::cli
