#include "net/grpc/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "net/grpc/call_text.h"
#include "net/grpc/gunzip.h"

namespace tandem::net::grpc {
namespace {

using testing::HasSubstr;

constexpr std::size_t kLimit = 1000;

std::string framed(std::string_view message, char flags = 0) {
  std::string out;
  append_frame(out, message);
  out[0] = flags;
  return out;
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string next_of(FrameReader& reader) {
  const auto message = reader.next();
  if (!message) return std::string(code_name(message.error().code)) + ": " + message.error().message;
  return *message ? std::string(**message) : "(more)";
}

std::string only(const std::string& bytes, Encoding encoding = Encoding::kIdentity) {
  FrameReader reader(encoding, kLimit);
  reader.add(bytes);
  return next_of(reader);
}

TEST(FramesTest, MessagesComeInAnyPieces) {
  const std::string bytes = framed("one") + framed("") + framed(std::string(kLimit, 'x')) + framed("last");
  for (std::size_t size = 1; size < bytes.size(); size += size < 20 ? 1 : 97) {
    FrameReader reader(Encoding::kIdentity, kLimit);
    std::string seen;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      reader.add(std::string_view(bytes).substr(at, size));
      for (auto message = reader.next(); message && *message; message = reader.next()) {
        seen += std::to_string((*message)->size()) + " ";
      }
    }
    EXPECT_EQ(seen, "3 0 1000 4 ") << size;
    EXPECT_TRUE(reader.empty());
  }
}

TEST(FramesTest, WhatHasComeWholeIsNotCopied) {
  const std::string bytes = framed("one") + framed("two") + "rest";
  FrameReader reader(Encoding::kIdentity, kLimit);
  reader.use_last(bytes);
  const auto first = reader.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->data(), bytes.data() + kFrameHead);
  EXPECT_EQ(next_of(reader), "two");
  EXPECT_EQ(next_of(reader), "(more)");
  EXPECT_FALSE(reader.empty());
  // What was there before goes first.
  FrameReader begun(Encoding::kIdentity, kLimit);
  begun.add(std::string_view(bytes).substr(0, 7));
  begun.use_last(std::string_view(bytes).substr(7));
  EXPECT_EQ(next_of(begun), "one");
  EXPECT_EQ(next_of(begun), "two");
}

TEST(FramesTest, ALengthOverTheLimitIsRefusedBeforeItComes) {
  EXPECT_EQ(only(std::string("\0\0\0\x03\xe9", 5)),
            "RESOURCE_EXHAUSTED: grpc: received message larger than max (1001 vs. 1000)");
  EXPECT_THAT(only(std::string("\0\xff\xff\xff\xff", 5)), HasSubstr("(4294967295 vs. 1000)"));
}

TEST(FramesTest, FlagsThatNobodyKnowsAreRefused) {
  EXPECT_THAT(only(framed("x", 2)), HasSubstr("INTERNAL: grpc: received unexpected payload format 2"));
  EXPECT_EQ(only(framed("x", 1)), "INTERNAL: grpc: compressed flag set with identity or empty encoding");
}

TEST(FramesTest, GzipIsTakenOff) {
  EXPECT_EQ(only(framed(gzip("hello"), 1), Encoding::kGzip), "hello");
  EXPECT_EQ(only(framed(gzip(""), 1), Encoding::kGzip), "");
  // Not all messages of a call are compressed.
  EXPECT_EQ(only(framed("plain"), Encoding::kGzip), "plain");
  EXPECT_EQ(only(framed(gzip("one ") + gzip("two"), 1), Encoding::kGzip), "one two");
}

TEST(FramesTest, ABombGoesNoFurtherThanTheLimit) {
  EXPECT_EQ(only(framed(gzip(std::string(kLimit, 'x')), 1), Encoding::kGzip), std::string(kLimit, 'x'));
  EXPECT_EQ(only(framed(gzip(std::string(kLimit + 1, 'x')), 1), Encoding::kGzip),
            "RESOURCE_EXHAUSTED: grpc: message after decompression larger than max (1001 vs. 1000)");
  const std::string bomb = gzip(std::string(64 << 20, 'x'));
  const auto unpacked = gunzip(bomb, 1 << 20);
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(unpacked.error().code, Code::kResourceExhausted);
}

TEST(FramesTest, WhatIsNotGzipIsRefused) {
  const std::string good = gzip("hello hello hello");
  for (const std::string& bad :
       {std::string(), std::string("no gzip"), good.substr(0, good.size() - 1), good.substr(0, 12), good + "x"}) {
    EXPECT_THAT(only(framed(bad, 1), Encoding::kGzip),
                HasSubstr("INTERNAL: grpc: failed to decompress the received message"));
  }
}

TEST(FramesTest, EncodingsHaveNames) {
  EXPECT_EQ(encoding_of(""), Encoding::kIdentity);
  EXPECT_EQ(encoding_of("identity"), Encoding::kIdentity);
  EXPECT_EQ(encoding_of("gzip"), Encoding::kGzip);
  EXPECT_EQ(encoding_of("snappy"), std::nullopt);
}

TEST(CallTextTest, TimeoutsHaveUnits) {
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto after = [&](std::string_view text) { return *deadline_of(text, now) - now; };
  EXPECT_EQ(after("3H"), std::chrono::hours(3));
  EXPECT_EQ(after("2M"), std::chrono::minutes(2));
  EXPECT_EQ(after("99999999S"), std::chrono::seconds(99'999'999));
  EXPECT_EQ(after("100m"), std::chrono::milliseconds(100));
  EXPECT_EQ(after("0u"), std::chrono::microseconds(0));
  EXPECT_EQ(after("00000007n"), std::chrono::nanoseconds(7));
  EXPECT_EQ(*deadline_of("99999999H", now), SteadyTime::max());
  for (const std::string_view bad : {"", "S", "1", "123456789S", "1x", "-1S", "+1S", " 1S", "1.5S", "0x1S"}) {
    const auto deadline = deadline_of(bad, now);
    ASSERT_FALSE(deadline) << bad;
    EXPECT_THAT(deadline.error().message, HasSubstr("malformed grpc-timeout: ")) << bad;
  }
}

TEST(CallTextTest, MessagesArePercentEncoded) {
  EXPECT_EQ(encode_message("plain, with \"marks\""), "plain, with \"marks\"");
  EXPECT_EQ(encode_message("50%\n\xe2\x9c\x93"), "50%25%0A%E2%9C%93");
}

TEST(CallTextTest, BytesAreBase64WithPaddingOrWithout) {
  const std::string bytes("\0\xff\1\2", 4);
  EXPECT_EQ(encode_binary(bytes), "AP8BAg");
  EXPECT_EQ(decode_binary("AP8BAg"), bytes);
  EXPECT_EQ(decode_binary("AP8BAg=="), bytes);
  EXPECT_EQ(decode_binary(""), "");
  EXPECT_EQ(decode_binary("?"), std::nullopt);
  EXPECT_EQ(decode_binary("AAAAA"), std::nullopt);
}

}  // namespace
}  // namespace tandem::net::grpc
