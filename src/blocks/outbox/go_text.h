// A JSON value as Go's fmt.Sprintf("%v") writes what it has read of it, which is the data of an event that daprd's
// outbox makes of a value that does not say that it is JSON: a text without its quotes, 100000000 as 1e+08, map[a:1
// b:[2 3]].
//
// Pure function, any thread, never throws. `value` comes from parse_json() or one of its cursors.
#pragma once

#include <string>
#include <string_view>

namespace tandem::outbox {

std::string go_text(std::string_view value);

}  // namespace tandem::outbox
