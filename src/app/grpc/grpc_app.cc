#include "app/grpc/grpc_app.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/channel.h>

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "app/countdown.h"
#include "app/grpc/binding_event.h"
#include "app/grpc/invoke_call.h"
#include "app/grpc/rpc_error.h"
#include "app/grpc/topic_event.h"
#include "app/grpc/topic_subscriptions.h"
#include "app/grpc/trace_metadata.h"
#include "dapr/proto/runtime/v1/appcallback.grpc.pb.h"
#include "net/grpc/channel.h"
#include "net/grpc/open_calls.h"

namespace tandem::app::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::google::protobuf::Empty;
using Transport = net::grpc::ChannelOptions::Transport;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::string_view kScope = "tandem.app";
constexpr milliseconds kLook{100};                  // between two looks at whether warm_up() is to stop
constexpr int kLooksBetweenLines = 100;             // of the log, while the app is waited for
constexpr milliseconds kSubscriptionsLimit{60000};  // of the app's answer to ListTopicSubscriptions
constexpr milliseconds kBindingsLimit{3000};        // to ListInputBindings

// A call of Tandem's own, until its answer has been looked at.
template <class Request, class Response>
struct Asked {
  ::grpc::ClientContext context;
  Request request;
  Response response;
};

}  // namespace

class GrpcApp::Impl final {
 public:
  Impl(GrpcAppOptions options, Logger log, net::Workers& workers)
      : options_(std::move(options)),
        log_(std::move(log)),
        workers_(workers),
        channel_(net::grpc::make_channel({.host = options_.host,
                                          .port = options_.port,
                                          .max_message_bytes = options_.max_message_bytes,
                                          .transport = options_.protocol == GrpcAppOptions::Protocol::kGrpcs
                                                           ? Transport::kTlsToWhoeverAnswers
                                                           : Transport::kPlain})),
        stub_(channel_),
        alpha_(channel_),
        alive_(channel_),
        route_{.app_id = options_.app_id,
               .channel = channel_,
               .metadata = {{"dapr-api-token", options_.api_token}},
               .gate = std::make_shared<net::grpc::CallGate>(options_.max_concurrency)} {
    // What cannot be sent fails its call; the library has nothing to print.
    ::google::protobuf::SetLogHandler(nullptr);
    for (std::size_t i = 0; i < workers.size(); ++i) doors_.push_back(std::make_unique<Door>(*this, workers[i]));
  }
  ~Impl() {
    open_->close();
    open_->cancel_all();
  }

  const net::grpc::CallRoute& route() const { return route_; }
  net::Handler& handler(std::size_t worker) { return *doors_[worker]; }

  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
    net::Worker& worker = workers_[next_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
    auto event = topic_event(delivery);
    if (!event) return done(fail(std::move(event.error())));
    auto asked = std::make_shared<Asked<wire::TopicEventRequest, wire::TopicEventResponse>>();
    asked->request = std::move(*event);
    for (const auto& [key, value] : event_metadata(delivery)) asked->context.AddMetadata(key, value);
    ask(
        asked, options_.request_timeout,
        [this](auto& call, auto ended) {
          stub_.async()->OnTopicEvent(&call.context, &call.request, &call.response, std::move(ended));
        },
        [this, &worker, done = std::move(done)](const Result<::grpc::Status>& status, auto& call) mutable {
          auto verdict = status ? event_verdict(*status, call.response, call.request.id(), log_)
                                : Result<pubsub::Verdict>(fail(status.error()));
          worker.post([done = std::move(done), verdict = std::move(verdict)]() mutable { done(std::move(verdict)); });
        });
  }

  void take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
    net::Worker& worker = workers_[next_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
    net::grpc::MetadataPairs trace;
    add_trace(event.trace, trace);
    auto asked = std::make_shared<Asked<wire::BindingEventRequest, wire::BindingEventResponse>>();
    asked->request = binding_event(std::move(event));
    for (const auto& [key, value] : trace) asked->context.AddMetadata(key, value);
    ask(
        asked, options_.request_timeout,
        [this](auto& call, auto ended) {
          stub_.async()->OnBindingEvent(&call.context, &call.request, &call.response, std::move(ended));
        },
        [&worker, done = std::move(done)](const Result<::grpc::Status>& status, auto& call) mutable {
          auto answer =
              status ? binding_answer(*status, call.response) : Result<bindings::AppAnswer>(fail(status.error()));
          worker.post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
        });
  }

  void deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
    net::Worker& worker = workers_[next_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
    auto bulk = std::make_shared<Bulk>();
    for (const pubsub::BulkItem& item : delivery.items) bulk->entry_ids.push_back(item.entry_id);
    bulk->request = bulk_topic_event(delivery);
    bulk->metadata = event_metadata({.metadata = std::move(delivery.metadata)});
    bulk->done = [&worker, done = std::move(done)](Result<std::vector<pubsub::Verdict>> verdicts) mutable {
      worker.post([done = std::move(done), verdicts = std::move(verdicts)]() mutable { done(std::move(verdicts)); });
    };
    ask_in_bulk(std::move(bulk), BulkMethod::kStable);
  }

  Status warm_up() {
    // daprd's words: tools wait for them.
    log_.info(kScope,
              fmt::format("application protocol: {}. waiting on port {}.  This will block until the app is "
                          "listening on that port.",
                          options_.protocol == GrpcAppOptions::Protocol::kGrpcs ? "grpcs" : "grpc", options_.port));
    for (int looks = 1; !channel_->WaitForConnected(system_clock::now() + kLook); ++looks) {
      if (stopping_.load()) return fail(Code::kCancelled, "stopped while waiting for the app");
      if (looks % kLooksBetweenLines == 0) {
        log_.info(kScope, fmt::format("waiting for application to listen on port {}", options_.port));
      }
    }
    log_.info(kScope, fmt::format("application discovered on port {}", options_.port));
    return {};
  }

  void list_subscriptions(Completion<std::vector<config::Subscription>> done) {
    ask(
        std::make_shared<Asked<Empty, wire::ListTopicSubscriptionsResponse>>(),
        std::min(options_.request_timeout, kSubscriptionsLimit),
        [this](auto& call, auto ended) {
          stub_.async()->ListTopicSubscriptions(&call.context, &call.request, &call.response, std::move(ended));
        },
        [this, done = std::move(done)](const Result<::grpc::Status>& status, auto& call) mutable {
          Result<std::vector<config::Subscription>> answer;
          if (!status) {
            answer = fail(status.error());
          } else if (status->ok()) {
            answer = topic_subscriptions(call.response);
          } else if (status->error_code() == ::grpc::StatusCode::UNIMPLEMENTED) {
            log_.info(kScope, "pubsub subscriptions: gRPC app does not implement ListTopicSubscriptions");
          } else {
            answer =
                fail(Error{rpc_error(*status).code, "", "error getting topic list from app: " + rpc_text(*status)});
          }
          workers_[0].post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
        });
  }

  void list_bindings(const std::vector<bindings::BindingService::Input>& offered,
                     Completion<std::vector<std::string>> done) {
    ask(
        std::make_shared<Asked<Empty, wire::ListInputBindingsResponse>>(),
        std::min(options_.request_timeout, kBindingsLimit),
        [this](auto& call, auto ended) {
          stub_.async()->ListInputBindings(&call.context, &call.request, &call.response, std::move(ended));
        },
        [this, offered, done = std::move(done)](const Result<::grpc::Status>& status, auto& call) mutable {
          std::vector<std::string> wanted;
          if (status && status->ok()) {
            wanted = wanted_bindings(offered, call.response);
          } else if (status && status->error_code() != ::grpc::StatusCode::UNIMPLEMENTED) {
            log_.warn("tandem.bindings", "the app could not be asked for the bindings whose events it takes",
                      {{"error", rpc_text(*status)}});
          }
          workers_[0].post([done = std::move(done), wanted = std::move(wanted)]() mutable { done(std::move(wanted)); });
        });
  }

  void probe_health(milliseconds timeout, Completion<void> done) {
    ask(
        std::make_shared<Asked<Empty, wire::HealthCheckResponse>>(), timeout,
        [this](auto& call, auto ended) {
          alive_.async()->HealthCheck(&call.context, &call.request, &call.response, std::move(ended));
        },
        [this, done = std::move(done)](const Result<::grpc::Status>& status, auto&) mutable {
          Status answer;
          if (!status) {
            answer = fail(status.error());
          } else if (!status->ok()) {
            answer = fail(Code::kUnavailable, "Health check failed: " + rpc_text(*status));
          }
          workers_[0].post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
        });
  }

  void stop(SteadyTime deadline) {
    stopping_.store(true);
    open_->close();
    open_->wait_until(deadline);
    open_->cancel_all();
    // What is left waits for its turn or for its body: the answers of the others are before this in the queue of a
    // worker.
    const auto cleared = std::make_shared<Countdown>(doors_.size());
    for (const auto& door : doors_) {
      door->worker().post([cleared, &door = *door] {
        door.refuse_all();
        cleared->done();
      });
    }
    cleared->wait_until(SteadyTime::max());
  }

 private:
  class Door final : public net::Handler {
   public:
    Door(Impl& app, net::Worker& worker) : app_(app), worker_(worker) {}

    void handle(std::unique_ptr<net::Exchange> exchange) override {
      auto call = std::make_shared<InvokeCall>(std::move(exchange), lane_, worker_);
      lane_.insert(call);
      if (stopped_) return call->refuse("the app is going away");
      call->gather(app_.options_.max_message_bytes, [this, call] { wait(call); });
    }

    // What is here and what still comes.
    void refuse_all() {
      stopped_ = true;
      const InvokeCall::Lane calls = lane_;
      for (const auto& call : calls) call->refuse("the app is going away");
    }
    net::Worker& worker() { return worker_; }

   private:
    void wait(const std::shared_ptr<InvokeCall>& call) {
      call->prepare(app_.options_.api_token, std::chrono::steady_clock::now() + app_.options_.request_timeout);
      // On any thread: a call that waited begins where another one ends, which may be one of the route's when the app
      // is gone. So the app is touched within OpenCalls only.
      Task begin = [this, call, &worker = worker_, open = app_.open_, weak = std::weak_ptr(app_.route_.gate)] {
        const auto gate = weak.lock();  // there, since it runs this
        if (!open->enter(call->context)) {
          // The next one gets its turn there too, so that a stop does not go through all of them at once.
          return worker.post([call, gate] {
            call->refuse("the app is going away");
            gate->leave();
          });
        }
        if (call->begin()) return app_.invoke(call, worker);
        worker.post([call, gate] {
          call->lapse();
          gate->leave();
        });
        open->forget(&call->context);
        open->leave();
      };
      if (!app_.route_.gate->enter(begin)) call->refuse("too many calls wait for the app");
    }

    Impl& app_;
    net::Worker& worker_;
    InvokeCall::Lane lane_;
    bool stopped_ = false;
  };

  // On any thread, within OpenCalls.
  void invoke(const std::shared_ptr<InvokeCall>& call, net::Worker& worker) {
    stub_.async()->OnInvoke(&call->context, &call->request, &call->response,
                            [this, held = hold(call), &worker](const ::grpc::Status& status) {
                              open_->forget(&(*held)->context);
                              worker.post([call = std::move(*held), status] { call->answer(status); });
                              route_.gate->leave();
                              open_->leave();
                            });
  }

  struct Bulk {
    std::vector<std::string> entry_ids;
    wire::TopicEventBulkRequest request;
    net::grpc::MetadataPairs metadata;
    Completion<std::vector<pubsub::Verdict>> done;
  };
  // Older SDKs have the method of the service of drafts alone.
  enum class BulkMethod { kStable, kAlpha };

  void ask_in_bulk(std::shared_ptr<Bulk> bulk, BulkMethod method) {
    auto asked = std::make_shared<Asked<wire::TopicEventBulkRequest, wire::TopicEventBulkResponse>>();
    asked->request = bulk->request;
    for (const auto& [key, value] : bulk->metadata) asked->context.AddMetadata(key, value);
    ask(
        asked, options_.request_timeout,
        [this, method](auto& call, auto ended) {
          if (method == BulkMethod::kStable) {
            stub_.async()->OnBulkTopicEvent(&call.context, &call.request, &call.response, std::move(ended));
          } else {
            alpha_.async()->OnBulkTopicEventAlpha1(&call.context, &call.request, &call.response, std::move(ended));
          }
        },
        [this, method, bulk](const Result<::grpc::Status>& status, auto& call) {
          if (!status) return bulk->done(fail(status.error()));
          if (method == BulkMethod::kStable && status->error_code() == ::grpc::StatusCode::UNIMPLEMENTED) {
            return ask_in_bulk(bulk, BulkMethod::kAlpha);
          }
          bulk->done(bulk_verdicts(*status, call.response, bulk->entry_ids, log_));
        });
  }

  // `start(asked, ended)` begins the call. `done(status, asked)` runs once, when it has ended, or in place with an
  // error when the app is going away.
  template <class Call, class Start, class Done>
  void ask(std::shared_ptr<Call> asked, milliseconds timeout, Start start, Done done) {
    if (!open_->enter(asked->context)) {
      return done(Result<::grpc::Status>(fail(Code::kCancelled, "the app is going away")), *asked);
    }
    if (!options_.api_token.empty()) asked->context.AddMetadata("dapr-api-token", options_.api_token);
    asked->context.set_deadline(system_clock::now() + timeout);
    // The library copies what it is given.
    const auto shared = std::make_shared<Done>(std::move(done));
    start(*asked, std::function<void(::grpc::Status)>([this, held = hold(asked), shared](const ::grpc::Status& status) {
      std::shared_ptr<Call> call = std::move(*held);
      open_->forget(&call->context);
      (*shared)(Result<::grpc::Status>(status), *call);
      call.reset();
      open_->leave();
    }));
  }

  // A call whose context can be given up inside its end: it has the channel, and the last of a channel must not go on a
  // thread of gRPC's, where the library still has its copy of the callback when the app is gone.
  template <class Call>
  static std::shared_ptr<std::shared_ptr<Call>> hold(std::shared_ptr<Call> call) {
    return std::make_shared<std::shared_ptr<Call>>(std::move(call));
  }

  const GrpcAppOptions options_;
  const Logger log_;
  net::Workers& workers_;
  const std::shared_ptr<::grpc::Channel> channel_;
  wire::AppCallback::Stub stub_;
  wire::AppCallbackAlpha::Stub alpha_;
  wire::AppCallbackHealthCheck::Stub alive_;
  const net::grpc::CallRoute route_;
  const std::shared_ptr<net::grpc::OpenCalls> open_ = std::make_shared<net::grpc::OpenCalls>();
  std::vector<std::unique_ptr<Door>> doors_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stopping_ = false;
};

GrpcApp::GrpcApp(GrpcAppOptions options, Logger log, net::Workers& workers)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(log), workers)) {}
GrpcApp::~GrpcApp() = default;
const net::grpc::CallRoute& GrpcApp::route() const { return impl_->route(); }
net::Handler& GrpcApp::handler(std::size_t worker) { return impl_->handler(worker); }
void GrpcApp::deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  impl_->deliver(std::move(delivery), std::move(done));
}
void GrpcApp::take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
  impl_->take(std::move(event), std::move(done));
}
void GrpcApp::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  impl_->deliver_bulk(std::move(delivery), std::move(done));
}
Status GrpcApp::warm_up() { return impl_->warm_up(); }
void GrpcApp::list_subscriptions(Completion<std::vector<config::Subscription>> done) {
  impl_->list_subscriptions(std::move(done));
}
void GrpcApp::list_bindings(std::vector<bindings::BindingService::Input> offered,
                            Completion<std::vector<std::string>> done) {
  impl_->list_bindings(offered, std::move(done));
}
void GrpcApp::probe_health(milliseconds timeout, Completion<void> done) {
  impl_->probe_health(timeout, std::move(done));
}
void GrpcApp::stop(SteadyTime deadline) { impl_->stop(deadline); }

}  // namespace tandem::app::grpc
