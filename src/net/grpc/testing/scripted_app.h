// For tests: a gRPC program whose methods are what a test wants to see passed on, and a server in front of it.
//
// Methods of "/test.Service/": Echo (each message comes back), Count (one answer when the client is done: how many
// messages), Numbers (as many messages as the first one says), Ask (answers nothing until it is cancelled), Fail
// (a status with details, initial and trailing metadata), Early (initial metadata at once, then as Echo), Cut (ends
// while the client still sends), Away (UNAVAILABLE, and nothing else).
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "net/grpc/passing_service.h"

namespace tandem::net::grpc {

inline ::grpc::ByteBuffer buffer_of(const std::string& text) {
  const ::grpc::Slice slice(text);
  return {&slice, 1};
}

inline std::string text_of(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const auto& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// What has happened, for tests that wait for it.
class Noted final {
 public:
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++seen_[what];
    changed_.notify_all();
  }
  int count(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return seen_[what];
  }
  // False after ten seconds.
  bool wait_for(const std::string& what, int times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return seen_[what] >= times; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> seen_;
};

class ScriptedApp final : public ::grpc::CallbackGenericService {
 public:
  ScriptedApp() {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    builder.SetMaxReceiveMessageSize(-1);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedApp() { stop(); }

  void stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  int port() const { return port_; }

  Noted noted;  // "cancelled", "read"
  std::multimap<std::string, std::string> metadata() {
    const std::lock_guard lock(mutex_);
    return metadata_;
  }
  std::chrono::system_clock::time_point deadline() {
    const std::lock_guard lock(mutex_);
    return deadline_;
  }

 private:
  class Call final : public ::grpc::ServerGenericBidiReactor {
   public:
    Call(ScriptedApp& app, ::grpc::GenericCallbackServerContext& server)
        : app_(app), server_(server), method_(server.method().substr(server.method().rfind('/') + 1)) {
      if (method_ == "Early") {
        server_.AddInitialMetadata("early", "bird");
        StartSendInitialMetadata();
      }
      if (method_ == "Fail") {
        server_.AddInitialMetadata("head", "er");
        server_.AddInitialMetadata("head-bin", std::string("\0\xff\1", 3));
        server_.AddTrailingMetadata("trail", "er");
        server_.AddTrailingMetadata("trail-bin", std::string("\2\0\xfe", 3));
        end({::grpc::StatusCode::FAILED_PRECONDITION, "not \xe2\x9c\x93 now", std::string("det\0ails", 8)});
      } else {
        StartRead(&in_);
      }
    }

   private:
    void OnReadDone(bool ok) override {
      if (ok) app_.noted.note("read");
      if (!ok && method_ == "Count") {
        out_ = buffer_of(std::to_string(count_));
        StartWriteAndFinish(&out_, {}, ::grpc::Status::OK);
        ended_ = true;
        return;
      }
      if (!ok) return end(::grpc::Status::OK);
      ++count_;
      if (method_ == "Away") return end({::grpc::StatusCode::UNAVAILABLE, "not at home"});
      if (method_ == "Cut") return end({::grpc::StatusCode::ABORTED, "enough"});
      if (method_ == "Count") return StartRead(&in_);
      if (method_ == "Ask") return;
      if (method_ == "Numbers") {
        left_ = std::stoi(text_of(in_));
        return next_number();
      }
      StartWrite(&in_);
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return end(::grpc::Status::CANCELLED);
      app_.noted.note("written");
      if (method_ == "Numbers") return next_number();
      if (method_ != "Count") StartRead(&in_);
    }
    void next_number() {
      if (left_ == 0) return end(::grpc::Status::OK);
      out_ = buffer_of(std::to_string(left_--) + app_.padding);
      StartWrite(&out_);
    }
    void end(const ::grpc::Status& status) {
      if (!ended_.exchange(true)) Finish(status);
    }
    void OnCancel() override {
      app_.noted.note("cancelled");
      end(::grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

    ScriptedApp& app_;
    ::grpc::GenericCallbackServerContext& server_;
    const std::string method_;
    ::grpc::ByteBuffer in_;
    ::grpc::ByteBuffer out_;
    int count_ = 0;
    int left_ = 0;
    std::atomic<bool> ended_ = false;
  };

  ::grpc::ServerGenericBidiReactor* CreateReactor(::grpc::GenericCallbackServerContext* server) override {
    {
      const std::lock_guard lock(mutex_);
      metadata_.clear();
      for (const auto& [key, value] : server->client_metadata()) {
        metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
      }
      deadline_ = server->deadline();
    }
    return new Call(*this, *server);
  }

  std::mutex mutex_;
  std::multimap<std::string, std::string> metadata_;
  std::chrono::system_clock::time_point deadline_;
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;

 public:
  std::string padding;  // of each message of Numbers
};

// Knows one app, and finds it in place or, when told so, only when it is asked to.
class OneRoute final : public CallRouter {
 public:
  explicit OneRoute(CallRoute route) : route_(std::move(route)) {}

  const CallRoute* here(std::string_view app_id) const override { return app_id == route_.app_id ? &route_ : nullptr; }
  void find(std::string_view target, Completion<CallRoute> done) const override {
    if (keeps) {
      kept = std::move(done);
      return noted.note("kept");
    }
    if (target != route_.app_id) return done(fail(Code::kUnknown, "couldn't find service: " + std::string(target)));
    done(route_);
  }

  std::atomic<bool> keeps = false;
  mutable Completion<CallRoute> kept;
  mutable Noted noted;

 private:
  const CallRoute route_;
};

}  // namespace tandem::net::grpc
