// The file of a Unix domain socket that listens: removed when the last one who listens there has gone.
//
// One for each who listens; a server that takes another's place at the same socket shares the file with it. Any thread.
// Nothing fails: what cannot be removed is left for the next start, which looks whether anybody listens there.
#pragma once

#include <atomic>
#include <memory>
#include <string>

namespace tandem::net {

class SocketFile final {
  struct Shared;

 public:
  // `path`: has just been made by bind().
  explicit SocketFile(std::string path);
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile() { remove(); }

  // At the end of its life or before; also several times. Removes nothing while there is another one of the same file,
  // and nothing that somebody else has put into its place.
  void remove();

  // Finds the file again, for as long as somebody listens there.
  class Reference final {
   public:
    // One more who listens there; null: nobody does any more, or the file is another one's now.
    std::unique_ptr<SocketFile> share() const;

   private:
    friend class SocketFile;
    explicit Reference(std::weak_ptr<Shared> shared) : shared_(std::move(shared)) {}

    std::weak_ptr<Shared> shared_;
  };
  Reference reference() const { return Reference(shared_); }

 private:
  explicit SocketFile(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  const std::shared_ptr<Shared> shared_;
  std::atomic<bool> removed_ = false;
};

}  // namespace tandem::net
