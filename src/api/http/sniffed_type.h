// The content type that an answer gets which came without one: what Go's HTTP server makes of the first bytes of a
// body.
//
// Pure function, any thread, never fails; the text lives for ever.
// Source: the WHATWG's MIME Sniffing Standard (https://mimesniff.spec.whatwg.org/), in the part that Go's
// http.DetectContentType has of it.
#pragma once

#include <string_view>

namespace tandem::api::http {

// "application/octet-stream" where nothing else fits. At most 512 bytes are looked at.
std::string_view sniffed_type(std::string_view body);

}  // namespace tandem::api::http
