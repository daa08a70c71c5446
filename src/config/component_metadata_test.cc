#include "config/component_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/resource_loader.h"

namespace tandem::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kSchema = R"(schemaVersion: v1
type: state
name: sqlite
version: v1
status: stable
title: SQLite
urls: [{title: Reference, url: "https://example.com"}]
capabilities: [crud, transactional, etag, ttl]
metadata:
- {name: connectionString, aliases: [url], type: string, required: true, sensitive: true, description: Where the database is.}
- {name: timeout, type: duration, default: "20s"}
- {name: disableWAL, type: bool, default: "false"}
- {name: maxRows, type: number, default: "100"}
- {name: mode, type: string, allowedValues: [fast, safe], default: safe}
)";

Component component(std::string_view metadata) {
  Diagnostics diagnostics;
  Resources resources;
  parse_resources(
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec:\n  type: state.sqlite\n  metadata:\n" +
          std::string(metadata),
      "s.yaml", resources, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.to_string();
  return resources.components.empty() ? Component{} : resources.components[0];
}

TEST(ComponentSchema, IsParsed) {
  auto schema = parse_component_schema(kSchema, "sqlite");
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(schema->full_type(), "state.sqlite");
  EXPECT_TRUE(schema->has_capability("etag"));
  EXPECT_FALSE(schema->has_capability("query"));
  ASSERT_NE(schema->find("URL"), nullptr);
  EXPECT_EQ(schema->find("URL")->name, "connectionString");
  EXPECT_TRUE(schema->find("connectionString")->sensitive);
}

TEST(ComponentSchema, ReportsItsOwnMistakes) {
  auto schema = parse_component_schema(
      "schemaVersion: v1\ntype: state\nname: x\nmetadata:\n- {name: a, type: thing}\n- {name: b, type: number, "
      "default: many}\n"
      "- {name: A, requird: true}\n",
      "x");
  ASSERT_FALSE(schema);
  EXPECT_THAT(schema.error().message, HasSubstr("version is missing"));
  EXPECT_THAT(schema.error().message, HasSubstr("x:5: metadata[0].type must be one of"));
  EXPECT_THAT(schema.error().message, HasSubstr("x:6: metadata[1]: the default \"many\" must be a number"));
  EXPECT_THAT(schema.error().message,
              HasSubstr("x:7: unknown key \"metadata[2].requird\"; did you mean \"required\"?"));
  EXPECT_THAT(schema.error().message, HasSubstr("x:5: metadata \"A\" is described twice"));
}

TEST(ComponentSchema, RequiresWhatEveryProfileRequires) {
  auto schema = parse_component_schema(R"(schemaVersion: v1
type: state
name: x
version: v1
authenticationProfiles:
- title: By password
  metadata:
  - {name: host, required: true}
  - {name: password, required: true}
- title: By key
  metadata:
  - {name: host, required: true}
  - {name: key, required: true}
)",
                                       "x");
  ASSERT_TRUE(schema) << schema.error().message;
  ASSERT_EQ(schema->fields.size(), 3U);
  EXPECT_TRUE(schema->find("host")->required);
  EXPECT_FALSE(schema->find("password")->required);
  EXPECT_FALSE(schema->find("key")->required);
}

TEST(MetadataReader, GivesTypedValuesAndDefaults) {
  auto schema = parse_component_schema(kSchema, "sqlite");
  ASSERT_TRUE(schema);
  Diagnostics diagnostics;
  MetadataReader reader = check(component("  - {name: CONNECTIONSTRING, value: a.db}\n  - {name: timeout, value: 5}\n"
                                          "  - {name: disableWal, value: \"Y\"}\n  - {name: mode, value: FAST}\n"),
                                *schema, diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  EXPECT_EQ(reader.get_string("connectionString"), "a.db");
  EXPECT_EQ(reader.get_string("url"), "a.db");
  EXPECT_EQ(reader.get_duration("timeout"), std::chrono::seconds(5));
  EXPECT_TRUE(reader.get_bool("disableWAL"));
  EXPECT_EQ(reader.get_int("MaxRows"), 100);
  EXPECT_DOUBLE_EQ(reader.get_double("maxrows"), 100.0);
  EXPECT_EQ(reader.get_string("unknown", "fallback"), "fallback");
  EXPECT_TRUE(reader.has("timeout"));
  EXPECT_FALSE(reader.has("maxRows"));
  EXPECT_EQ(reader.all().at("maxRows"), "100");
}

TEST(MetadataReader, ReportsEveryMistakeAtItsLine) {
  auto schema = parse_component_schema(kSchema, "sqlite");
  ASSERT_TRUE(schema);
  Diagnostics diagnostics;
  check(
      component(
          "  - {name: timeout, value: soon}\n  - {name: disableWAL, value: perhaps}\n  - {name: maxRows, value: many}\n"
          "  - {name: mode, value: slow}\n  - {name: tiemout, value: 1s}\n"),
      *schema, diagnostics);
  EXPECT_EQ(diagnostics.to_string(),
            "s.yaml:1: component \"s\" (state.sqlite) needs metadata \"connectionString\": Where the database is.\n"
            "s.yaml:7: component \"s\": timeout must be a duration such as 500ms, 30s or 1h30m, not \"soon\"\n"
            "s.yaml:8: component \"s\": disableWAL must be true or false, not \"perhaps\"\n"
            "s.yaml:9: component \"s\": maxRows must be a number, not \"many\"\n"
            "s.yaml:10: component \"s\": mode must be one of fast, safe, not \"slow\"\n"
            "s.yaml:11: warning: state.sqlite has no metadata \"tiemout\"; it is ignored. Did you mean \"timeout\"?\n");
}

TEST(MetadataReader, NeverShowsSecrets) {
  auto schema = parse_component_schema(
      "schemaVersion: v1\ntype: state\nname: x\nversion: v1\nmetadata:\n- {name: pin, type: number, sensitive: true}\n",
      "x");
  ASSERT_TRUE(schema);
  Diagnostics diagnostics;
  check(component("  - {name: pin, value: hunter2}\n"), *schema, diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 1U);
  EXPECT_THAT(diagnostics.to_string(), Not(HasSubstr("hunter2")));
}

TEST(Truth, IsDaprs) {
  for (std::string_view yes : {"y", "YES", "True", "t", "on", "1", " true "}) EXPECT_TRUE(is_truthy(yes)) << yes;
  for (std::string_view no : {"", "0", "false", "no", "2", "maybe", "off"}) EXPECT_FALSE(is_truthy(no)) << no;
}

}  // namespace
}  // namespace tandem::config
