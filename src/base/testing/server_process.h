// For tests: a real server as a child process, on a free port of this machine, that dies with the test.
//
// Made, killed and destroyed by one thread, which outlives it. Nothing here fails silently: start() is null, and the
// server's own words are in its log file.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tandem {

// A TCP port that nothing listens on now.
inline std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

inline bool accepts_connections(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return connected;
}

class ServerProcess final {
 public:
  // Runs `command` (found in PATH) and waits until it takes connections on `port`. Null when it ends before, or takes
  // none for so long.
  static std::unique_ptr<ServerProcess> start(const std::vector<std::string>& command, std::uint16_t port,
                                              const std::string& log_file,
                                              std::chrono::seconds patience = std::chrono::seconds(20)) {
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) return nullptr;
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execvp(words[0], words.data());
      ::_exit(127);
    }
    std::unique_ptr<ServerProcess> server(new ServerProcess(child));
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
      if (server->ended()) return nullptr;
      if (accepts_connections(port)) return server;
      ::poll(nullptr, 0, 5);
    }
    return nullptr;
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { kill(); }

  // As kill -9 does it; returns when the process is gone.
  void kill() { end(SIGKILL); }
  // Lets it go on, or holds it still: it takes connections then, and answers nothing.
  void pause() { ::kill(child_, SIGSTOP); }
  void resume() { ::kill(child_, SIGCONT); }

 private:
  explicit ServerProcess(pid_t child) : child_(child) {}

  void end(int signal) {
    if (child_ <= 0) return;
    ::kill(child_, signal);
    ::waitpid(std::exchange(child_, -1), nullptr, 0);
  }
  bool ended() {
    if (::waitpid(child_, nullptr, WNOHANG) != child_) return false;
    child_ = -1;
    return true;
  }

  pid_t child_;
};

}  // namespace tandem
