// For tests: a file that a logger writes to and a test reads back.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace tandem {

class Capture final {
 public:
  Capture() {
    char pattern[] = "/tmp/tandem-log-XXXXXX";
    fd_ = ::mkstemp(pattern);
    path_ = pattern;
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  int fd() const { return fd_; }
  std::string text() const {
    std::ifstream in(path_);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }
  // The first line with this in it; empty: none.
  std::string line_with(std::string_view what) const {
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) {
      if (line.find(what) != std::string::npos) return line;
    }
    return {};
  }

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace tandem
