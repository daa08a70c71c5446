// Whether a path of the command line or of a tandem.yaml can be a module, said in one line before anything is started.
//
// Looks at the file, reads its first bytes and changes nothing; main's thread. Fails with kNotFound or
// kInvalidArgument.
#pragma once

#include <string>

#include "base/result.h"

namespace tandem::cli {

Status check_module_file(const std::string& path);

}  // namespace tandem::cli
