// For tests: a program with components behind a Unix socket, in the process of the test, which says what they answer
// and looks at what they were asked.
#pragma once

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dapr/proto/components/v1/pubsub.grpc.pb.h"
#include "dapr/proto/components/v1/state.grpc.pb.h"

namespace tandem::components::grpc {

namespace wire = ::dapr::proto::components::v1;

// A folder that goes with the test; the paths of sockets have to be short.
class SocketFolder final {
 public:
  SocketFolder() {
    char pattern[] = "/tmp/tandem-sockets-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;
  ~SocketFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Serves what it is given, and reflection, until it goes.
class ComponentProgram final {
 public:
  ComponentProgram(const std::string& socket, const std::vector<::grpc::Service*>& services) {
    ::grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    std::filesystem::remove(socket);
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, ::grpc::InsecureServerCredentials());
    for (::grpc::Service* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  ~ComponentProgram() { server_->Shutdown(std::chrono::system_clock::now()); }

 private:
  std::unique_ptr<::grpc::Server> server_;
};

class StoreProgram final : public wire::StateStore::Service,
                           public wire::TransactionalStateStore::Service,
                           public wire::TransactionalStoreMultiMaxSize::Service {
 public:
  std::vector<::grpc::Service*> services() {
    return {static_cast<wire::StateStore::Service*>(this), static_cast<wire::TransactionalStateStore::Service*>(this),
            static_cast<wire::TransactionalStoreMultiMaxSize::Service*>(this)};
  }

  std::vector<std::string> features{"ETAG", "TRANSACTIONAL"};
  std::int64_t most_operations = 2;
  ::grpc::Status initialised;

  std::map<std::string, std::string> properties() {
    const std::lock_guard lock(mutex_);
    return properties_;
  }
  int initialisations() {
    const std::lock_guard lock(mutex_);
    return initialisations_;
  }
  int transactions() {
    const std::lock_guard lock(mutex_);
    return transactions_;
  }

 private:
  ::grpc::Status Init(::grpc::ServerContext*, const wire::InitRequest* request, wire::InitResponse*) override {
    const std::lock_guard lock(mutex_);
    ++initialisations_;
    const auto& given = request->metadata().properties();
    properties_.clear();
    for (const auto& one : given) properties_.emplace(one.first, one.second);
    return initialised;
  }
  ::grpc::Status Features(::grpc::ServerContext*, const wire::FeaturesRequest*,
                          wire::FeaturesResponse* response) override {
    for (const std::string& name : features) response->add_features(name);
    return {};
  }
  ::grpc::Status Get(::grpc::ServerContext* server, const wire::GetRequest* request,
                     wire::GetResponse* response) override {
    // Until the caller gives up.
    if (request->key() == "slow") {
      std::unique_lock lock(mutex_);
      while (!server->IsCancelled()) news_.wait_for(lock, std::chrono::milliseconds(5));
      return ::grpc::Status::CANCELLED;
    }
    response->set_data("of " + request->key());
    return {};
  }
  ::grpc::Status Ping(::grpc::ServerContext*, const wire::PingRequest*, wire::PingResponse*) override { return {}; }
  ::grpc::Status Transact(::grpc::ServerContext*, const wire::TransactionalStateRequest*,
                          wire::TransactionalStateResponse*) override {
    const std::lock_guard lock(mutex_);
    ++transactions_;
    return {};
  }
  ::grpc::Status MultiMaxSize(::grpc::ServerContext*, const wire::MultiMaxSizeRequest*,
                              wire::MultiMaxSizeResponse* response) override {
    response->set_max_size(most_operations);
    return {};
  }

  std::mutex mutex_;
  std::condition_variable news_;
  std::map<std::string, std::string> properties_;
  int initialisations_ = 0;
  int transactions_ = 0;
};

// Sends `messages` to each subscription and keeps what it hears of them; a stream lives until its client leaves.
class BrokerProgram final : public wire::PubSub::Service {
 public:
  std::vector<::grpc::Service*> services() { return {this}; }

  std::vector<std::string> messages;
  ::grpc::Status first_stream_ends;  // not OK: the first stream ends so, at once

  std::vector<wire::PullMessagesRequest> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  int initialisations() {
    const std::lock_guard lock(mutex_);
    return initialisations_;
  }
  int streams() {
    const std::lock_guard lock(mutex_);
    return streams_;
  }

 private:
  ::grpc::Status Init(::grpc::ServerContext*, const wire::PubSubInitRequest*, wire::PubSubInitResponse*) override {
    const std::lock_guard lock(mutex_);
    ++initialisations_;
    return {};
  }
  ::grpc::Status Features(::grpc::ServerContext*, const wire::FeaturesRequest*, wire::FeaturesResponse*) override {
    return {};
  }
  ::grpc::Status PullMessages(
      ::grpc::ServerContext*,
      ::grpc::ServerReaderWriter<wire::PullMessagesResponse, wire::PullMessagesRequest>* stream) override {
    wire::PullMessagesRequest request;
    if (!stream->Read(&request)) return {};
    {
      const std::lock_guard lock(mutex_);
      if (++streams_ == 1 && !first_stream_ends.ok()) return first_stream_ends;
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
      wire::PullMessagesResponse message;
      message.set_data(messages[i]);
      message.set_topic_name(request.topic().name());
      message.set_id("id " + std::to_string(i));
      stream->Write(message);
    }
    while (stream->Read(&request)) {
      const std::lock_guard lock(mutex_);
      heard_.push_back(request);
    }
    return {};
  }

  std::mutex mutex_;
  std::vector<wire::PullMessagesRequest> heard_;
  int initialisations_ = 0;
  int streams_ = 0;
};

}  // namespace tandem::components::grpc
