#include "net/client_request.h"

#include <gtest/gtest.h>

#include <memory>

#include "net/call_phase.h"

namespace tandem::net {
namespace {

ClientRequest streamed(OwnedHeaders headers) {
  ClientRequest request;
  request.host = "h";
  request.port = 80;
  request.headers = std::move(headers);
  request.body = std::unique_ptr<BodySource>();
  return request;
}

TEST(ClientRequestTest, AStreamedBodyHasTheLengthThatIsANumber) {
  EXPECT_EQ(streamed_length(streamed({{"Content-Length", "12"}})), 12U);
  EXPECT_EQ(streamed_length(streamed({})), std::nullopt);
  for (const char* text : {"", "x", "1x", "-1", "99999999999999999999"}) {
    EXPECT_EQ(streamed_length(streamed({{"content-length", text}})), std::nullopt) << text;
  }
}

TEST(ClientRequestTest, ABodyThatIsThereIsCounted) {
  ClientRequest request;
  request.headers = {{"Content-Length", "12"}};
  EXPECT_EQ(streamed_length(request), std::nullopt);
  EXPECT_EQ(whole_length(request), std::nullopt);
  request.method = "POST";
  EXPECT_EQ(whole_length(request), 0U);
  request.method = "GET";
  request.body = std::string("body");
  EXPECT_EQ(whole_length(request), 4U);
  EXPECT_EQ(whole_length(streamed({})), std::nullopt);
}

TEST(ClientRequestTest, PiecesKeepToTheLength) {
  const ClientRequest request = streamed({});
  std::optional<std::uint64_t> left = 5;
  EXPECT_TRUE(count_piece(request, 3, left));
  EXPECT_EQ(left, 2U);
  EXPECT_EQ(count_piece(request, 0, left).error().message,
            "the body of the request to h:80 is shorter than its Content-Length");
  const Status longer = count_piece(request, 3, left);
  EXPECT_EQ(longer.error().code, Code::kInvalidArgument);
  EXPECT_EQ(longer.error().message, "the body of the request to h:80 is longer than its Content-Length");
  EXPECT_TRUE(count_piece(request, 2, left));
  EXPECT_TRUE(count_piece(request, 0, left));
  left.reset();
  EXPECT_TRUE(count_piece(request, 1'000, left));
}

TEST(ClientRequestTest, EachPhaseHasItsLimit) {
  ClientRequest request = streamed({});
  request.connect_timeout = std::chrono::milliseconds(1);
  request.first_byte_timeout = std::chrono::milliseconds(2);
  request.between_bytes_timeout = std::chrono::milliseconds(3);
  EXPECT_EQ(overdue(request, CallPhase::kConnecting).message, "no connection to h:80 within 1 ms");
  EXPECT_EQ(overdue(request, CallPhase::kFirstByte).message, "h:80 did not answer within 2 ms");
  EXPECT_EQ(overdue(request, CallPhase::kBody).message, "h:80 sent no more of its answer for 3 ms");
  EXPECT_EQ(overdue(request, CallPhase::kBody).code, Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace tandem::net
