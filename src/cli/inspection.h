// Inspection: what a module is, what it asks for, what of that Tandem has, and whether it can run here.
//
// Plain values, made from what the engine says about a module; `tandem inspect` prints them. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/runtime.h"

namespace tandem::cli {

// Names of one package ("wasi:http"), or of one import module of a core module ("wasi_snapshot_preview1").
struct NameGroup {
  std::string package;
  std::vector<std::string> names;  // "types@0.2.0"
  std::string grant;               // what the app has to grant before these imports reach anything; may be empty
};

struct Inspection {
  std::string file;
  std::uint64_t bytes = 0;
  std::string kind;              // "HTTP component", "preview 1 command", …
  std::optional<int> blueprint;  // 1 pure function, 2 HTTP microservice, 3 embedded SDK
  std::string reason;            // why that blueprint, or why none
  std::vector<NameGroup> exports;
  std::vector<NameGroup> given;    // imports that Tandem has
  std::vector<NameGroup> lacking;  // imports that it has not
  bool runs = false;
  std::string verdict;  // one sentence
};

// What the engine says about the module in `file`.
struct ModuleFacts {
  std::string file;
  std::uint64_t bytes = 0;
  engine::ModuleKind kind = engine::ModuleKind::kCore;
  std::vector<engine::Name> names;
  std::vector<engine::Name> missing;
  std::string link_error;  // all imports are there by name, and linking still failed
};

// Whether its kind is one that tandem run serves.
bool can_run(const ModuleFacts& facts);

Inspection inspect(const ModuleFacts& facts);
std::string to_text(const Inspection& inspection);
// One object, with a line end.
std::string to_json(const Inspection& inspection);

}  // namespace tandem::cli
