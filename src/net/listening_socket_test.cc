// Where a server listens: several addresses at one port, and the file of a Unix domain socket.
#include "net/listening_socket.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "net/testing/handlers.h"
#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// The answer to a GET over a socket that is connected to `to`; empty when there is no connection.
std::string get(const sockaddr* to, socklen_t size) {
  const int client = ::socket(to->sa_family, SOCK_STREAM, 0);
  std::string answer;
  if (::connect(client, to, size) == 0) {
    const std::string_view request = "GET / HTTP/1.0\r\n\r\n";
    EXPECT_EQ(::send(client, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    char bytes[1024];
    ssize_t got = 0;
    while ((got = ::recv(client, bytes, sizeof bytes, 0)) > 0) answer.append(bytes, static_cast<std::size_t>(got));
  }
  ::close(client);
  return answer;
}

std::string get4(const char* address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  return get(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

std::string get6(const char* address, std::uint16_t port) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(port);
  ::inet_pton(AF_INET6, address, &to.sin6_addr);
  return get(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

std::string get_unix(const std::string& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), path.size());
  return get(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

bool has_ip6() {
  boost::asio::io_context io;
  return open_listeners(io, {.address = "::1", .purpose = "a look"}).has_value();
}

Error refusal(ServerOptions options) {
  options.purpose = "the test";
  Workers workers(1);
  FunctionHandler handler(ok);
  auto server = HttpServer::listen(workers, std::move(options), [&](Worker&) -> Handler& { return handler; });
  return server ? Error{Code::kOk, {}, {}} : server.error();
}

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tandem-socket-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

TEST(Listening, SeveralAddressesShareAFreePort) {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.more_addresses = {"127.0.0.2", "[::1]"};
  TestServer server(ok, options);
  ASSERT_NE(server.port(), 0);
  EXPECT_THAT(get4("127.0.0.1", server.port()), EndsWith("ok"));
  EXPECT_THAT(get4("127.0.0.2", server.port()), EndsWith("ok"));
  EXPECT_EQ(get4("127.0.0.3", server.port()), "");
  if (has_ip6()) EXPECT_THAT(get6("::1", server.port()), EndsWith("ok"));
}

TEST(Listening, EveryFamilyAtOnce) {
  ServerOptions options;
  options.address = "[::]";
  options.more_addresses = {"0.0.0.0"};
  TestServer server(ok, options);
  EXPECT_THAT(get4("127.0.0.1", server.port()), EndsWith("ok"));
  if (has_ip6()) EXPECT_THAT(get6("::1", server.port()), EndsWith("ok"));
}

TEST(Listening, AnAddressThatIsNotHereIsLeftOutBesideOneThatIs) {
  ServerOptions options;
  options.address = "192.0.2.1";
  const Error alone = refusal(options);
  EXPECT_EQ(alone.code, Code::kInvalidArgument);
  EXPECT_THAT(alone.message, HasSubstr("cannot listen on 192.0.2.1:0 for the test: this machine does not have"));
  options.more_addresses = {"127.0.0.1"};
  TestServer server(ok, options);
  EXPECT_THAT(get4("127.0.0.1", server.port()), EndsWith("ok"));
}

TEST(Listening, SaysWhichAddressIsTakenOrWrong) {
  TestServer first(ok);
  ServerOptions options;
  options.port = first.port();
  options.address = "127.0.0.2";
  options.more_addresses = {"127.0.0.1"};
  const Error taken = refusal(options);
  EXPECT_EQ(taken.code, Code::kAlreadyExists);
  EXPECT_THAT(taken.message, HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(first.port())));
  EXPECT_EQ(get4("127.0.0.2", first.port()), "");
  options.more_addresses = {"here"};
  EXPECT_THAT(refusal(options).message, HasSubstr("\"here\" is not an IP address"));
}

TEST(UnixSocket, ListensThereAndRemovesItsFile) {
  const Folder folder;
  ServerOptions options;
  options.unix_socket = folder / "dapr.socket";
  options.http2 = Http2::kOn;
  {
    const mode_t before = ::umask(0077);
    TestServer server(ok, options);
    ::umask(before);
    EXPECT_EQ(server.port(), 0);
    struct stat made{};
    ASSERT_EQ(::stat(options.unix_socket.c_str(), &made), 0);
    EXPECT_TRUE(S_ISSOCK(made.st_mode));
    EXPECT_EQ(made.st_mode & 0777, 0700u);
    EXPECT_THAT(get_unix(options.unix_socket), EndsWith("ok"));
    EXPECT_THAT(get_unix(options.unix_socket), EndsWith("ok"));
    server.server().drain(std::chrono::seconds(1), [](Drained) {});
    EXPECT_TRUE(wait_for([&] { return !std::filesystem::exists(options.unix_socket); }));
  }
  EXPECT_FALSE(std::filesystem::exists(options.unix_socket));
}

TEST(UnixSocket, ReplacesWhatAServerHasLeftAndNothingElse) {
  const Folder folder;
  ServerOptions options;
  options.unix_socket = folder / "dapr.socket";
  {
    // As a server that was killed leaves it: the file stays, nobody listens.
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, options.unix_socket.data(), options.unix_socket.size());
    const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ::close(left);
  }
  TestServer server(ok, options);
  EXPECT_THAT(get_unix(options.unix_socket), EndsWith("ok"));
  const Error live = refusal(options);
  EXPECT_EQ(live.code, Code::kAlreadyExists);
  EXPECT_THAT(live.message, HasSubstr(options.unix_socket + " for the test: another process listens there"));
  EXPECT_THAT(get_unix(options.unix_socket), EndsWith("ok"));

  ServerOptions file;
  file.unix_socket = folder / "file";
  std::ofstream(file.unix_socket) << "mine";
  EXPECT_EQ(refusal(file).code, Code::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(file.unix_socket));
}

TEST(UnixSocket, LeavesTheFileOfAnotherAlone) {
  const Folder folder;
  ServerOptions options;
  options.unix_socket = folder / "dapr.socket";
  TestServer first(ok, options);
  std::filesystem::remove(options.unix_socket);
  TestServer second(ok, options);
  first.stop_server();
  EXPECT_THAT(get_unix(options.unix_socket), EndsWith("ok"));
}

TEST(UnixSocket, SaysWhatIsWrong) {
  const Folder folder;
  ServerOptions options;
  options.unix_socket = folder / std::string(200, 'x');
  EXPECT_THAT(refusal(options).message, HasSubstr("the name is longer than 107 bytes"));
  options.unix_socket = folder / "missing/dapr.socket";
  const Error error = refusal(options);
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace tandem::net
