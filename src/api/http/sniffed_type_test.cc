#include "api/http/sniffed_type.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem::api::http {
namespace {

using namespace std::string_view_literals;

TEST(SniffedType, Text) {
  EXPECT_EQ(sniffed_type(""), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type("plain"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type(R"({"a":1})"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type("\xFF\xFE"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type("\xFF\xFE\x41\x00"sv), "text/plain; charset=utf-16le");
  EXPECT_EQ(sniffed_type("\x00\x01\x02"sv), "application/octet-stream");
  EXPECT_EQ(sniffed_type("escape \x1b[0m"), "text/plain; charset=utf-8");
}

TEST(SniffedType, Markup) {
  EXPECT_EQ(sniffed_type("<html><body>x"), "text/html; charset=utf-8");
  EXPECT_EQ(sniffed_type(" \n<!doctype HTML>"), "text/html; charset=utf-8");
  EXPECT_EQ(sniffed_type("  <!-- c"), "text/html; charset=utf-8");
  EXPECT_EQ(sniffed_type("<html"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type("<article>"), "text/plain; charset=utf-8");
  EXPECT_EQ(sniffed_type(" <?xml version="), "text/xml; charset=utf-8");
}

TEST(SniffedType, Signatures) {
  EXPECT_EQ(sniffed_type("\x89PNG\r\n\x1a\n"), "image/png");
  EXPECT_EQ(sniffed_type("GIF89a"), "image/gif");
  EXPECT_EQ(sniffed_type("%PDF-1.7"), "application/pdf");
  EXPECT_EQ(sniffed_type("RIFF1234WEBPVP8"), "image/webp");
  EXPECT_EQ(sniffed_type("\x1f\x8b\x08"), "application/x-gzip");
  EXPECT_EQ(sniffed_type("PK\x03\x04"), "application/zip");
  EXPECT_EQ(sniffed_type("\x00"
                         "asm\x01\x00\x00\x00"sv),
            "application/wasm");
  EXPECT_EQ(sniffed_type("\x00\x00\x00\x10"
                         "ftypisom0001mp42"sv.substr(0, 16)),
            "application/octet-stream");
  EXPECT_EQ(sniffed_type("\x00\x00\x00\x14"
                         "ftypisom0001mp42"sv),
            "video/mp4");
  EXPECT_EQ(sniffed_type(std::string(34, '\0') + "LP"), "application/vnd.ms-fontobject");
}

}  // namespace
}  // namespace tandem::api::http
