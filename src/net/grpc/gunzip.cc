#include "net/grpc/gunzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace tandem::net::grpc {
namespace {

constexpr int kGzipOnly = 15 + 16;  // the largest window, and gzip's head before it
constexpr std::size_t kFirst = 4 * 1024;

class Inflater final {
 public:
  Inflater() : ready_(inflateInit2(&stream_, kGzipOnly) == Z_OK) {}
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  const bool ready_;
};

std::unexpected<Error> broken(std::string_view why) {
  return fail(Code::kInternal, fmt::format("grpc: failed to decompress the received message: {}", why));
}

}  // namespace

Result<std::string> gunzip(std::string_view bytes, std::size_t limit) {
  if (bytes.size() > std::numeric_limits<uInt>::max()) return broken("it is too long");
  limit = std::min<std::size_t>(limit, std::numeric_limits<std::int32_t>::max());
  Inflater inflater;
  if (!inflater.ready()) return broken("out of memory");
  z_stream& stream = inflater.stream();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::size_t done = 0;
  while (true) {
    if (done == out.size()) {
      if (out.size() > limit) {
        return fail(Code::kResourceExhausted,
                    fmt::format("grpc: message after decompression larger than max ({} vs. {})", out.size(), limit));
      }
      // One byte over the limit tells that there is more.
      out.resize(std::min(std::max(kFirst, out.size() * 2), limit + 1));
    }
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    const std::size_t room = std::min<std::size_t>(out.size() - done, std::numeric_limits<uInt>::max());
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      // One stream may follow another.
      if (inflateReset(&stream) != Z_OK) return broken("out of memory");
    } else if (result != Z_OK) {
      return broken(stream.avail_in == 0 ? "unexpected EOF" : "gzip: invalid header or data");
    }
  }
  if (done > limit) {
    return fail(Code::kResourceExhausted,
                fmt::format("grpc: message after decompression larger than max ({} vs. {})", done, limit));
  }
  out.resize(done);
  return out;
}

}  // namespace tandem::net::grpc
