// The C ABI of engine/wit: what a guest imports beyond WASI (tandem:dapr, wasi:keyvalue, wasi:config, wasi:messaging),
// as tables of C functions, and the events that it takes by its exports. The Rust side only turns WIT values into spans
// and answers into WIT values; what a call means is decided by the functions of the table.
//
// The rules of tandem_engine.h hold. In addition:
//
// Calls. A function of a table is called inside the guest's host function, on the thread that polls the instance.
// `user` is what tdm_instance_new() was given. Every span and array that goes in points into the guest's memory or
// beside it and lives until the function returns. The function must not poll or delete any instance, must not throw,
// and takes over the reply.
//
// Replies. A tdm_reply is answered exactly once, by one tdm_reply_…() function that takes it back: before the function
// returns (the guest goes on at once: it is not suspended and no waker is fired) or later (the waker fires, and the
// next poll continues the guest). Answering later is allowed from any thread, also after the instance is gone: then it
// does nothing but release what it was given. Answering with another kind of answer than the function is documented to
// give fails the guest's call with `internal`.
//
// Bytes. A tdm_bytes hands a value over without a copy: the Rust side calls `release(owner)` exactly once, after the
// value is in the guest's memory (with the next call of the instance, or at its end) or when nobody wants it, on the
// thread that then has the instance or that answers. `release` null: nothing to release, the bytes never go away (or
// are empty). Strings, headers and metadata of an answer are copied before the tdm_reply_…() function returns.
//
// Absent strings. An optional tdm_str that is absent has a null `ptr`; an empty one has not.
#ifndef TANDEM_WIT_H
#define TANDEM_WIT_H

#include "tandem_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- replies ------------------------------------------------------------------------------------------------------

typedef struct tdm_reply tdm_reply;

typedef struct tdm_bytes {
  const char* ptr;
  size_t len;
  void* owner;
  void (*release)(void* owner);
} tdm_bytes;

// A value with its version, and what the store says about it.
typedef struct tdm_item {
  tdm_bytes value;
  tdm_str etag;  // optional
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_item;

// An answer for one of many keys. With an `error_code` other than 0 there is no item.
typedef struct tdm_bulk_item {
  tdm_str key;
  bool found;
  tdm_item item;  // when found
  int32_t error_code;
  tdm_str error_reason;
  tdm_str error_message;
} tdm_bulk_item;

// One event that was not published.
typedef struct tdm_failed_entry {
  tdm_str entry_id;
  int32_t error_code;
  tdm_str error_reason;
  tdm_str error_message;
} tdm_failed_entry;

// A name and the pairs that belong to it: a secret.
typedef struct tdm_pair_group {
  tdm_str name;
  const tdm_header* pairs;
  size_t pairs_count;
} tdm_pair_group;

// A key of a configuration store and what it has.
typedef struct tdm_setting {
  tdm_str key;
  tdm_str value;
  tdm_str version;
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_setting;

// The call failed. `code` is one of gRPC's canonical codes, 1 to 16; any other becomes `unknown`.
void tdm_reply_error(tdm_reply* reply, int32_t code, tdm_str reason, tdm_str message);
// It is done, and there is nothing to say.
void tdm_reply_done(tdm_reply* reply);
// The value, or none when `value` is null.
void tdm_reply_value(tdm_reply* reply, const tdm_bytes* value);
// The item, or none when `item` is null.
void tdm_reply_item(tdm_reply* reply, const tdm_item* item);
void tdm_reply_items(tdm_reply* reply, const tdm_bulk_item* items, size_t count);
// `more`: another page follows, behind the last key or behind `next` keys.
void tdm_reply_keys(tdm_reply* reply, const tdm_str* keys, size_t count, bool more, tdm_str last, uint64_t next);
void tdm_reply_failures(tdm_reply* reply, const tdm_failed_entry* entries, size_t count);
void tdm_reply_response(tdm_reply* reply, uint16_t status, const tdm_header* headers, size_t headers_count,
                        tdm_bytes body);
// What a binding gave back; `data` null: nothing.
void tdm_reply_binding(tdm_reply* reply, const tdm_bytes* data, const tdm_header* metadata, size_t metadata_count);
// A binding's failure, with what it says about it.
void tdm_reply_binding_error(tdm_reply* reply, int32_t code, tdm_str reason, tdm_str message,
                             const tdm_header* metadata, size_t metadata_count);
void tdm_reply_pairs(tdm_reply* reply, const tdm_header* pairs, size_t count);
void tdm_reply_groups(tdm_reply* reply, const tdm_pair_group* groups, size_t count);
void tdm_reply_settings(tdm_reply* reply, const tdm_setting* settings, size_t count);

// ---- tandem:dapr/state --------------------------------------------------------------------------------------------

enum tdm_consistency { TDM_CONSISTENCY_UNSET = 0, TDM_EVENTUAL = 1, TDM_STRONG = 2 };
enum tdm_concurrency { TDM_CONCURRENCY_UNSET = 0, TDM_LAST_WRITE = 1, TDM_FIRST_WRITE = 2 };
enum tdm_operation { TDM_UPSERT = 1, TDM_DELETE = 2 };

// A write or a delete, with its options.
typedef struct tdm_state_entry {
  int32_t operation;
  tdm_str key;
  tdm_str value;  // of an upsert
  tdm_str etag;   // optional
  int32_t concurrency;
  int32_t consistency;
  bool has_ttl;
  int32_t ttl_seconds;   // as the guest wrote it
  tdm_str content_type;  // optional
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_state_entry;

// All are called with the store's name first. Answers: done, unless it says otherwise; every one may be an error.
typedef struct tdm_state_vtable {
  // value
  void (*get)(void* user, tdm_str store, tdm_str key, tdm_reply* reply);
  // item
  void (*get_item)(void* user, tdm_str store, tdm_str key, int32_t consistency, const tdm_header* metadata,
                   size_t metadata_count, tdm_reply* reply);
  void (*set)(void* user, tdm_str store, tdm_str key, tdm_str value, tdm_reply* reply);
  void (*set_item)(void* user, tdm_str store, const tdm_state_entry* entry, tdm_reply* reply);
  void (*remove)(void* user, tdm_str store, tdm_str key, tdm_reply* reply);
  void (*remove_item)(void* user, tdm_str store, const tdm_state_entry* entry, tdm_reply* reply);
  // items, one for each key, in their order
  void (*get_many)(void* user, tdm_str store, const tdm_str* keys, size_t count, tdm_reply* reply);
  void (*set_many)(void* user, tdm_str store, const tdm_state_entry* entries, size_t count, tdm_reply* reply);
  void (*remove_many)(void* user, tdm_str store, const tdm_state_entry* entries, size_t count, tdm_reply* reply);
  void (*transact)(void* user, tdm_str store, const tdm_state_entry* operations, size_t count, tdm_reply* reply);
  // For wasi:keyvalue: keys, a page of those behind `after` (empty: all), without the first `skip` of them.
  void (*list_keys)(void* user, tdm_str store, tdm_str after, uint64_t skip, tdm_reply* reply);
  // For wasi:keyvalue: the name of the store that the guest means by `identifier`, as a value. Errors: NOT_FOUND when
  // there is none, PERMISSION_DENIED when the app may not use it.
  void (*find_store)(void* user, tdm_str identifier, tdm_reply* reply);
} tdm_state_vtable;

// ---- tandem:dapr/pubsub -------------------------------------------------------------------------------------------

typedef struct tdm_publish_entry {
  tdm_str entry_id;  // with publish_many; with send: where a reply is wanted, optional
  tdm_str data;
  tdm_str content_type;  // optional
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_publish_entry;

typedef struct tdm_pubsub_vtable {
  // done
  void (*publish)(void* user, tdm_str pubsub, tdm_str topic, const tdm_publish_entry* entry, tdm_reply* reply);
  // failures
  void (*publish_many)(void* user, tdm_str pubsub, tdm_str topic, const tdm_publish_entry* entries, size_t count,
                       tdm_reply* reply);
  // For messaging: publish() to the pubsub that the guest means by `identifier`. done
  void (*send)(void* user, tdm_str identifier, tdm_str topic, const tdm_publish_entry* entry, tdm_reply* reply);
  // For messaging: that pubsub's name, as a value. Errors: NOT_FOUND when there is none.
  void (*find_pubsub)(void* user, tdm_str identifier, tdm_reply* reply);
} tdm_pubsub_vtable;

// ---- tandem:dapr/invoke -------------------------------------------------------------------------------------------

typedef struct tdm_invoke_request {
  tdm_str method;
  tdm_str path;
  const tdm_header* headers;
  size_t headers_count;
  tdm_str body;
} tdm_invoke_request;

typedef struct tdm_invoke_vtable {
  // response
  void (*call)(void* user, tdm_str app_id, const tdm_invoke_request* request, tdm_reply* reply);
} tdm_invoke_vtable;

// ---- tandem:dapr/bindings -----------------------------------------------------------------------------------------

typedef struct tdm_binding_request {
  tdm_str binding;
  tdm_str operation;
  tdm_str data;
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_binding_request;

typedef struct tdm_bindings_vtable {
  // binding, or binding_error
  void (*invoke)(void* user, const tdm_binding_request* request, tdm_reply* reply);
} tdm_bindings_vtable;

// ---- tandem:dapr/secrets ------------------------------------------------------------------------------------------

typedef struct tdm_secrets_vtable {
  // pairs
  void (*get)(void* user, tdm_str store, tdm_str name, const tdm_header* metadata, size_t metadata_count,
              tdm_reply* reply);
  // groups
  void (*get_bulk)(void* user, tdm_str store, const tdm_header* metadata, size_t metadata_count, tdm_reply* reply);
} tdm_secrets_vtable;

// ---- tandem:dapr/configuration ------------------------------------------------------------------------------------

typedef struct tdm_configuration_question {
  tdm_str store;
  const tdm_str* keys;  // none: all
  size_t keys_count;
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_configuration_question;

typedef struct tdm_configuration_vtable {
  // settings
  void (*get)(void* user, const tdm_configuration_question* question, tdm_reply* reply);
  // value: the id of the subscription
  void (*subscribe)(void* user, const tdm_configuration_question* question, tdm_reply* reply);
  // done
  void (*unsubscribe)(void* user, tdm_str store, tdm_str id, tdm_reply* reply);
} tdm_configuration_vtable;

// ---- wasi:config --------------------------------------------------------------------------------------------------

typedef struct tdm_config_vtable {
  // value
  void (*get)(void* user, tdm_str key, tdm_reply* reply);
  // pairs
  void (*get_all)(void* user, tdm_reply* reply);
} tdm_config_vtable;

// ---- exports of a guest -------------------------------------------------------------------------------------------
// Each gives an idle instance a call of one function that its program exports, in place of tdm_instance_start(); poll
// it then. What comes in, and all it points to, lives until done. `answer` is called with `call` inside the poll in
// which the function has returned, before done, and not at all when it fails; its arguments live until it returns, and
// it must do no more than note them. A program that lacks the export fails the call: so look at the module's names
// first.

// Events of topics go to one of three exports.
enum tdm_topic_export {
  TDM_TOPIC_DAPR = 1,       // tandem:dapr/topic-handler@0.1.0
  TDM_TOPIC_WASMCLOUD = 2,  // wasmcloud:messaging/handler@0.2.0
  TDM_TOPIC_WASI = 3,       // wasi:messaging/incoming-handler@0.2.0-draft
};

typedef struct tdm_topic_event {
  tdm_str pubsub;
  tdm_str topic;
  tdm_str route;
  tdm_str id;
  tdm_str source;
  tdm_str type;
  tdm_str spec_version;
  tdm_str data_content_type;
  tdm_str data;
  const tdm_header* attributes;
  size_t attributes_count;
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_topic_event;

enum tdm_verdict { TDM_VERDICT_SUCCESS = 0, TDM_VERDICT_RETRY = 1, TDM_VERDICT_DROP = 2 };

typedef struct tdm_topic_subscription {
  tdm_str pubsub;
  tdm_str topic;
  tdm_str dead_letter_topic;  // optional
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_topic_subscription;

// `why` is empty, or what the guest says about a retry.
void tdm_topic_handle(tdm_instance* instance, int32_t topic_export, const tdm_topic_event* event,
                      void (*answer)(void* call, int32_t verdict, tdm_str why), void* call);
// Of TDM_TOPIC_DAPR only.
void tdm_topic_subscriptions(tdm_instance* instance,
                             void (*answer)(void* call, const tdm_topic_subscription* all, size_t count), void* call);

// tandem:dapr/binding-handler@0.1.0
typedef struct tdm_binding_event {
  tdm_str binding;
  tdm_str data;
  const tdm_header* metadata;
  size_t metadata_count;
} tdm_binding_event;

typedef struct tdm_binding_response {
  tdm_str data;
  const tdm_str* to;
  size_t to_count;
  bool parallel;
} tdm_binding_response;

// `response` null: the guest has not taken the event, `why` says why.
void tdm_binding_handle(tdm_instance* instance, const tdm_binding_event* event,
                        void (*answer)(void* call, const tdm_binding_response* response, tdm_str why), void* call);
void tdm_binding_names(tdm_instance* instance, void (*answer)(void* call, const tdm_str* names, size_t count),
                       void* call);

// tandem:dapr/configuration-handler@0.1.0
typedef struct tdm_configuration_update {
  tdm_str store;
  tdm_str id;
  const tdm_setting* items;
  size_t items_count;
} tdm_configuration_update;

void tdm_configuration_handle(tdm_instance* instance, const tdm_configuration_update* update,
                              void (*answer)(void* call, bool taken, tdm_str why), void* call);
void tdm_configuration_wishes(tdm_instance* instance,
                              void (*answer)(void* call, const tdm_configuration_question* all, size_t count),
                              void* call);

// ---- linking ------------------------------------------------------------------------------------------------------
// Each adds its interfaces to the linker, once, and copies what it is given. Fails when the linker has them already.

// tandem:dapr/state@0.1.0
tdm_error* tdm_wit_state_add(tdm_linker* linker, const tdm_state_vtable* vtable);
// tandem:dapr/pubsub@0.1.0
tdm_error* tdm_wit_pubsub_add(tdm_linker* linker, const tdm_pubsub_vtable* vtable);
// tandem:dapr/invoke@0.1.0
tdm_error* tdm_wit_invoke_add(tdm_linker* linker, const tdm_invoke_vtable* vtable);
// tandem:dapr/bindings@0.1.0
tdm_error* tdm_wit_bindings_add(tdm_linker* linker, const tdm_bindings_vtable* vtable);
// tandem:dapr/secrets@0.1.0
tdm_error* tdm_wit_secrets_add(tdm_linker* linker, const tdm_secrets_vtable* vtable);
// tandem:dapr/configuration@0.1.0
tdm_error* tdm_wit_configuration_add(tdm_linker* linker, const tdm_configuration_vtable* vtable);
// The exports above: a component that has one of them can be run for it.
tdm_error* tdm_wit_handlers_add(tdm_linker* linker);
// wasi:keyvalue/{store,atomics,batch}, in the drafts that guests are built against: 0.2.0-draft (wasmCloud, Wasmtime)
// and 0.2.0-draft2 (Spin). A bucket is a state store. Counters are decimal text, so that other users of the store can
// read them. No state store of Dapr's lists its keys: list-keys fails.
tdm_error* tdm_wit_keyvalue_add(tdm_linker* linker, const tdm_state_vtable* vtable);
// wasi:config/store and wasi:config/runtime, in every published draft. The pairs are copied. `more`, when it is given,
// answers for other names.
tdm_error* tdm_wit_config_add(tdm_linker* linker, const tdm_header* pairs, size_t count, const tdm_config_vtable* more);
// wasmcloud:messaging/consumer@0.2.0 and wasi:messaging/{types,producer}@0.2.0-draft. `request` fails: no message of
// Dapr's pub/sub has a reply.
tdm_error* tdm_wit_messaging_add(tdm_linker* linker, const tdm_pubsub_vtable* vtable);

#ifdef __cplusplus
}
#endif

#endif  // TANDEM_WIT_H
