// For tests: a real Kafka broker (tests/kafka/broker.py), one for the whole process, as it takes seconds to start.
//
// Who asks for it gets it without topics and without consumer groups. One thread.
#pragma once

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/testing/server_process.h"
#include "components/kafka/handle.h"

namespace tandem::components::kafka {

class KafkaServer final {
 public:
  // `source` is the root of the source tree.
  static KafkaServer& of_this_process(const std::string& source) {
    static KafkaServer server(source);
    server.forget_everything();
    return server;
  }
  ~KafkaServer() {
    client_.reset();
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  KafkaServer(const KafkaServer&) = delete;
  KafkaServer& operator=(const KafkaServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static constexpr std::chrono::seconds kPatience{90};

  explicit KafkaServer(const std::string& source)
      : folder_(std::filesystem::temp_directory_path() / ("tandem_kafka_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    const std::string program = source + "/tests/kafka/broker.py";
    // Fetches it the first time.
    const std::string prepare = "python3 -B '" + program + "' --prepare >'" + log() + "' 2>&1";
    EXPECT_EQ(std::system(prepare.c_str()), 0) << said();
    // Between choosing a port and listening on it somebody else may take it.
    for (int attempt = 0; attempt < 3 && process_ == nullptr; ++attempt) {
      port_ = free_port();
      process_ = ServerProcess::start(
          {"python3", "-B", program, (folder_ / "data").string(), std::to_string(port_), std::to_string(free_port())},
          port_, log(), kPatience);
    }
    EXPECT_NE(process_, nullptr) << "the broker does not start: " << said();
    KafkaOptions options;
    options.brokers = address();
    options.client_id = "test";
    Result<Client> client = make_producer(options);
    EXPECT_TRUE(client.has_value());
    client_ = std::move(*client);
  }

  std::string log() const { return (folder_ / "log").string(); }
  std::string said() const {
    std::ifstream file(log());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::vector<std::string> topics() const {
    const rd_kafka_metadata_t* known = nullptr;
    const auto patience = static_cast<int>(std::chrono::milliseconds(kPatience).count());
    const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 1, nullptr, &known, patience);
    EXPECT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR) << said();
    std::vector<std::string> names;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return names;
    for (int i = 0; i < known->topic_cnt; ++i) {
      const std::string_view name = known->topics[i].topic;
      if (!name.starts_with("__")) names.emplace_back(name);
    }
    rd_kafka_metadata_destroy(known);
    return names;
  }

  // What a group has taken of a topic goes with the topic.
  void forget_everything() {
    const std::vector<std::string> names = topics();
    if (names.empty()) return;
    std::vector<rd_kafka_DeleteTopic_t*> wanted;
    for (const std::string& name : names) wanted.push_back(rd_kafka_DeleteTopic_new(name.c_str()));
    const Queue queue(rd_kafka_queue_new(client_.get()));
    rd_kafka_DeleteTopics(client_.get(), wanted.data(), wanted.size(), nullptr, queue.get());
    const Event event(rd_kafka_queue_poll(queue.get(), static_cast<int>(std::chrono::milliseconds(kPatience).count())));
    EXPECT_TRUE(event != nullptr && rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_DeleteTopic_destroy_array(wanted.data(), wanted.size());
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!topics().empty() && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 5);
  }

  const std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ServerProcess> process_;
  Client client_;
};

}  // namespace tandem::components::kafka
