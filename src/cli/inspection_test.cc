#include "cli/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace tandem::cli {
namespace {

using engine::ModuleKind;
using engine::Name;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Name import(std::string name) { return {Name::Direction::kImport, "interface", std::move(name)}; }
Name exported(std::string name) { return {Name::Direction::kExport, "interface", std::move(name)}; }

ModuleFacts http(std::vector<Name> names) {
  names.push_back(exported("wasi:http/incoming-handler@0.2.0"));
  return {.file = "app.wasm",
          .bytes = 10,
          .kind = ModuleKind::kHttp,
          .names = std::move(names),
          .missing = {},
          .link_error = {}};
}

TEST(Inspection, AnHttpComponentIsBlueprintTwo) {
  Inspection out =
      inspect(http({import("wasi:http/types@0.2.0"), import("wasi:io/streams@0.2.0"), import("wasi:io/error@0.2.0")}));
  EXPECT_EQ(out.blueprint, 2);
  EXPECT_TRUE(out.runs);
  ASSERT_EQ(out.given.size(), 2u);
  EXPECT_EQ(out.given[0].package, "wasi:http");
  EXPECT_THAT(out.given[1].names, ElementsAre("error@0.2.0", "streams@0.2.0"));
  EXPECT_THAT(out.lacking, IsEmpty());
  EXPECT_THAT(out.verdict, HasSubstr("tandem run app.wasm"));
}

TEST(Inspection, TheBuildingBlocksMakeItBlueprintThree) {
  for (const char* name : {"tandem:dapr/state@0.1.0", "wasi:keyvalue/store@0.2.0-draft",
                           "wasi:config/store@0.2.0-draft", "wasi:messaging/producer@0.2.0-draft"}) {
    Inspection out = inspect(http({import("tandem:dapr/types@0.1.0"), import(name)}));
    EXPECT_EQ(out.blueprint, 3) << name;
    EXPECT_THAT(out.reason, HasSubstr(name));
  }
  EXPECT_THAT(inspect(http({import("tandem:dapr/types@0.1.0")})).reason, HasSubstr("tandem:dapr/types@0.1.0"));
}

TEST(Inspection, WhatTandemLacksIsApart) {
  ModuleFacts facts = http({import("wasi:http/types@0.2.0"), import("acme:mail/send@1.0.0")});
  facts.missing = {import("acme:mail/send@1.0.0")};
  Inspection out = inspect(facts);
  EXPECT_FALSE(out.runs);
  ASSERT_EQ(out.lacking.size(), 1u);
  EXPECT_EQ(out.lacking[0].package, "acme:mail");
  ASSERT_EQ(out.given.size(), 1u);
  const std::string text = to_text(out);
  EXPECT_THAT(text, HasSubstr("Tandem lacks\n  acme:mail"));
  EXPECT_THAT(text, HasSubstr("it cannot run here: Tandem lacks 1 of its imports"));
}

TEST(Inspection, AnImportOfAnotherTypeIsSaid) {
  ModuleFacts facts = http({});
  facts.link_error = "types differ";
  EXPECT_FALSE(inspect(facts).runs);
  EXPECT_THAT(inspect(facts).verdict, HasSubstr("types differ"));
}

TEST(Inspection, CommandsAreBlueprintOneAndRunOnceARequest) {
  ModuleFacts facts{
      .file = "c.wasm", .bytes = 1, .kind = ModuleKind::kP1Command, .names = {}, .missing = {}, .link_error = {}};
  facts.names = {{Name::Direction::kImport, "function", "wasi_snapshot_preview1.fd_write"},
                 {Name::Direction::kExport, "function", "_start"}};
  Inspection out = inspect(facts);
  EXPECT_EQ(out.blueprint, 1);
  EXPECT_TRUE(out.runs);
  EXPECT_THAT(out.verdict, HasSubstr("once for each request"));
  ASSERT_EQ(out.given.size(), 1u);
  EXPECT_EQ(out.given[0].package, "wasi_snapshot_preview1");
  EXPECT_THAT(out.given[0].names, ElementsAre("fd_write"));
  facts.kind = ModuleKind::kCommand;
  EXPECT_EQ(inspect(facts).blueprint, 1);
  EXPECT_TRUE(inspect(facts).runs);
}

TEST(Inspection, AnHttpWasmHandlerIsKnown) {
  ModuleFacts facts{
      .file = "h.wasm", .bytes = 1, .kind = ModuleKind::kCore, .names = {}, .missing = {}, .link_error = {}};
  facts.names = {{Name::Direction::kImport, "function", "http_handler.get_uri"},
                 {Name::Direction::kExport, "function", "handle_request"}};
  facts.missing = {facts.names[0]};
  Inspection out = inspect(facts);
  EXPECT_EQ(out.blueprint, 1);
  EXPECT_EQ(out.kind, "http-wasm handler");
  EXPECT_FALSE(out.runs);
}

TEST(Inspection, OtherModulesHaveNoBlueprint) {
  ModuleFacts facts{
      .file = "l.wasm", .bytes = 1, .kind = ModuleKind::kLibrary, .names = {}, .missing = {}, .link_error = {}};
  EXPECT_EQ(inspect(facts).blueprint, std::nullopt);
  EXPECT_THAT(to_text(inspect(facts)), HasSubstr("no blueprint: it exports neither"));
  facts.names = {exported("wasi:http/handler@0.3.0")};
  EXPECT_THAT(inspect(facts).reason, HasSubstr("WASI 0.3"));
  facts.kind = ModuleKind::kCore;
  EXPECT_THAT(inspect(facts).reason, HasSubstr("no component"));
  EXPECT_FALSE(inspect(facts).runs);
  EXPECT_THAT(inspect(facts).verdict, HasSubstr("serves HTTP components, components that take events, and commands"));
}

TEST(Inspection, AComponentThatTakesEventsRuns) {
  ModuleFacts facts{
      .file = "l.wasm", .bytes = 1, .kind = ModuleKind::kLibrary, .names = {}, .missing = {}, .link_error = {}};
  facts.names = {exported("tandem:dapr/topic-handler@0.1.0")};
  EXPECT_EQ(inspect(facts).blueprint, 3);
  EXPECT_EQ(inspect(facts).kind, "component that takes events");
  EXPECT_EQ(inspect(facts).reason, "it exports tandem:dapr/topic-handler@0.1.0");
  EXPECT_TRUE(inspect(facts).runs);
  EXPECT_EQ(inspect(facts).verdict, "it can run here: tandem run l.wasm");
  // Another version of it is another interface.
  facts.names = {exported("tandem:dapr/topic-handler@0.9.0")};
  EXPECT_FALSE(inspect(facts).runs);
}

TEST(Inspection, JsonHasTheSame) {
  ModuleFacts facts = http({import("wasi:filesystem/types@0.2.0"), import("acme:mail/send@1.0.0")});
  facts.missing = {import("acme:mail/send@1.0.0")};
  const auto json = boost::json::parse(to_json(inspect(facts)));
  EXPECT_EQ(json.at("blueprint"), 2);
  EXPECT_EQ(json.at("runs"), false);
  EXPECT_EQ(json.at("bytes"), 10);
  EXPECT_EQ(json.at("given").at(0).at("package"), "wasi:filesystem");
  EXPECT_EQ(json.at("given").at(0).at("grant"), "only folders of --mount");
  EXPECT_EQ(json.at("lacking").at(0).at("names").at(0), "send@1.0.0");
  EXPECT_EQ(json.at("exports").at(0).at("names").at(0), "incoming-handler@0.2.0");
}

TEST(Inspection, NamesOfAModuleCannotSteerATerminal) {
  const std::string text = to_text(inspect(http({import("a:b/c\x1b[31m")})));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace tandem::cli
