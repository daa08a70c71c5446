// What a command is to the dispatcher in cli.cc, and what all commands share.
//
// Main's thread only. A command prints what it has to say to standard output, what is wrong through print_error(), and
// returns the exit status.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace tandem::cli {

using Arguments = std::span<const std::string>;

// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::string(std::string_view)>;
Environment process_environment();

// "tandem: <message>" on standard error, each of its lines so.
void print_error(std::string_view message);
void print(std::string_view text);

int run_command(Arguments arguments);
int daprd_command(Arguments arguments);
int inspect_command(Arguments arguments);
int version_command(Arguments arguments);

}  // namespace tandem::cli
