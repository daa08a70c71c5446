#include "components/runtime_fields.h"

#include <string_view>
#include <vector>

namespace tandem::components {

using config::FieldType;
using config::SchemaField;

std::vector<SchemaField> runtime_fields(std::string_view block) {
  if (block == "state") {
    return {{.name = "keyPrefix",
             .description = "What stands before every key: appid, name, namespace, none or a word of your own.",
             .default_value = "appid"},
            {.name = "actorStateStore",
             .type = FieldType::kBool,
             .description = "Whether actors keep their state here.",
             .default_value = "false"},
            {.name = "outboxPublishPubsub",
             .description = "The pub/sub to which transactions publish what they write. Needs outboxPublishTopic."},
            {.name = "outboxPublishTopic", .description = "The topic to which they publish it."},
            {.name = "outboxPubsub",
             .description = "The pub/sub that keeps events until their transaction is done; else outboxPublishPubsub."},
            {.name = "outboxDiscardWhenMissingState",
             .type = FieldType::kBool,
             .description = "Whether an event is dropped when its transaction was not done, instead of tried again.",
             .default_value = "false"},
            {.name = "primaryEncryptionKey",
             .sensitive = true,
             .description = "A secretKeyRef to an AES key in hexadecimal: values are encrypted with it."},
            {.name = "secondaryEncryptionKey",
             .sensitive = true,
             .description = "The primary key before the last rotation: values that it wrote can still be read."}};
  }
  if (block == "bindings") {
    return {
        {.name = "direction",
         .description = "input, output or both with a comma between: which parts are used, and that the app is not "
                        "asked whether it takes the events."},
        {.name = "route", .description = "The path of the app that gets the events; the component's name if not set."}};
  }
  if (block != "pubsub") return {};
  return {{.name = "allowedTopics", .description = "The topics that may be used at all, separated by commas."},
          {.name = "protectedTopics", .description = "Topics that only apps with a scope for them may use."},
          {.name = "publishingScopes", .description = "Which app may publish where: app1=topic1,topic2;app2=topic3."},
          {.name = "subscriptionScopes", .description = "Which app may subscribe where, in the same form."},
          {.name = "consumerID", .description = "The name of the consumer group; the app id when it is not set."}};
}

}  // namespace tandem::components
