// The C ABI of engine/core: Wasmtime as Tandem uses it. Knows HTTP and WASI, and nothing of Dapr.
//
// Nouns: an *engine* compiles and holds the instance slots; a *module* is compiled code; a *linker* collects the host
// functions of one app; a *program* is a module linked for one app, with what that app is granted; an *instance* is a
// running copy of a program. A *call* is one HTTP request on an instance.
//
// Ownership. `_new` and `_load` give an object to the caller, `_delete` takes it back; a null pointer is ignored by
// `_delete`. Objects keep what they need of each other alive: a module may be deleted while its programs live on.
// A function that can fail returns a tdm_error* that the caller deletes, or null for success; outputs are written on
// success only. A `tdm_str` that goes in is borrowed until the function returns, one that comes out lives as long as
// the object it came from, unless it says otherwise; it is not terminated by a zero.
//
// Threads. Engine, module, linker and program may be used from any thread. An instance, and all that belongs to its
// calls, is used by one thread at a time: the worker that owns it. Wakers are fired from any thread.
//
// Callbacks from here into C++ happen on the thread that polls the instance, at the end of tdm_instance_poll(), never
// from inside a guest's host function unless a function says so (log and the typed interfaces do). Inside a callback no
// instance may be polled or deleted; answering (tdm_call_…, tdm_exchange_…) is allowed. Callbacks must not throw.
//
// Panics of the Rust side are caught at every entry and come back as an error of kind TDM_ERROR_PANIC or end the
// instance.
#ifndef TANDEM_ENGINE_H
#define TANDEM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_str {
  const char* ptr;
  size_t len;
} tdm_str;

typedef struct tdm_header {
  tdm_str name;
  tdm_str value;
} tdm_header;

// ---- errors
// ----------------------------------------------------------------------------------------------------------

typedef struct tdm_error tdm_error;

enum tdm_error_kind {
  TDM_ERROR_INVALID = 1,  // not WebAssembly, or nothing that can be run
  TDM_ERROR_LINK = 2,     // an import that nothing provides, or of another type
  TDM_ERROR_LIMIT = 3,    // does not fit a limit: memory, table, slots
  TDM_ERROR_IO = 4,       // a file or folder
  TDM_ERROR_TRAP = 5,     // the guest trapped
  TDM_ERROR_EXIT = 6,     // the guest called exit with a status other than 0
  TDM_ERROR_PANIC = 7,    // a bug on the Rust side
  TDM_ERROR_ENGINE = 8,   // anything else that Wasmtime reports
};

int tdm_error_get_kind(const tdm_error* error);
tdm_str tdm_error_get_message(const tdm_error* error);
void tdm_error_delete(tdm_error* error);

// ---- engine
// ----------------------------------------------------------------------------------------------------------

typedef struct tdm_engine tdm_engine;

typedef struct tdm_engine_config {
  uint32_t max_instances;           // instances alive at once in the whole process
  uint64_t max_memory_bytes;        // linear memory of one instance, the upper bound for every program
  uint64_t max_total_memory_bytes;  // linear memory of all instances together: a guest that would go over it gets no
                                    // more; 0: no bound
  uint64_t max_table_elements;      // elements of one table
  uint64_t max_stack_bytes;         // stack of a guest
  uint64_t keep_resident_bytes;     // memory of a slot that is cleared instead of given back between two instances
  uint32_t tick_ms;                 // a guest that computes gives way to others at least this often
  tdm_str cache_folder;             // compiled modules; empty: no cache
} tdm_engine_config;

tdm_error* tdm_engine_new(const tdm_engine_config* config, tdm_engine** out);
void tdm_engine_delete(tdm_engine* engine);
// Wasmtime's version, "48.0.8".
tdm_str tdm_engine_version(void);

// ---- module
// ----------------------------------------------------------------------------------------------------------

typedef struct tdm_module tdm_module;

enum tdm_module_kind {
  TDM_MODULE_HTTP = 1,        // component that exports wasi:http/incoming-handler (0.2)
  TDM_MODULE_COMMAND = 2,     // component that exports wasi:cli/run
  TDM_MODULE_P1_COMMAND = 3,  // core module with _start and imports of wasi_snapshot_preview1
  TDM_MODULE_LIBRARY = 4,     // component without either export; it may have others that are called (tandem_wit.h)
  TDM_MODULE_CORE = 5,        // any other core module
};

// Compiles `bytes` (.wasm, or .wat text), or maps what the cache has of them. Blocks, for seconds when it compiles:
// call it from a thread that may. The cache never fails a load; tdm_module_cache_note() says what went wrong with it.
tdm_error* tdm_module_load(tdm_engine* engine, tdm_str bytes, tdm_module** out);
void tdm_module_delete(tdm_module* module);
int tdm_module_get_kind(const tdm_module* module);
// True when the code came from the cache.
bool tdm_module_was_cached(const tdm_module* module);
// Empty, or why the cache could not be read or written.
tdm_str tdm_module_cache_note(const tdm_module* module);
// Calls `each` for every import and export: `kind` is "interface", "function", "memory", …; the names live during the
// call.
typedef void (*tdm_name_fn)(void* user, bool is_import, tdm_str kind, tdm_str name);
void tdm_module_each_name(const tdm_module* module, tdm_name_fn each, void* user);

// ---- linker and program
// ----------------------------------------------------------------------------------------------

typedef struct tdm_linker tdm_linker;
typedef struct tdm_program tdm_program;

// A linker that has WASI 0.2, wasi:http and preview 1; the typed interfaces of tandem_wit.h are added to it.
tdm_error* tdm_linker_new(tdm_engine* engine, tdm_linker** out);
void tdm_linker_delete(tdm_linker* linker);
// Calls `each` for every import of `module` that this linker lacks.
void tdm_linker_each_missing(const tdm_linker* linker, const tdm_module* module, tdm_name_fn each, void* user);

// The guest's memory during a host function; null when the module exports none under the name "memory".
typedef struct tdm_memory {
  uint8_t* ptr;
  size_t len;
} tdm_memory;

// A host function of a core module. Numbers are 64 bits wide, an i32 or f32 in the low half. `user` is the instance's.
// Called on the polling thread, inside the guest. False traps the guest.
typedef bool (*tdm_core_fn)(void* data, void* user, const tdm_memory* memory, const uint64_t* arguments,
                            uint64_t* results);

// Gives core modules the import `module`.`name`. Types are strings of i (i32), I (i64), f (f32), F (f64). `data`
// outlives every program linked with it. Before programs are made.
tdm_error* tdm_linker_define(tdm_linker* linker, tdm_str module, tdm_str name, tdm_str parameters, tdm_str results,
                             tdm_core_fn function, void* data);

typedef struct tdm_mount {
  tdm_str host_path;
  tdm_str guest_path;
  bool writable;
} tdm_mount;

enum tdm_transport { TDM_TRANSPORT_TCP = 1, TDM_TRANSPORT_UDP = 2 };

typedef struct tdm_program_config {
  const tdm_header* env;  // name and value
  size_t env_count;
  const tdm_str* args;
  size_t args_count;
  const tdm_mount* mounts;
  size_t mounts_count;
  uint64_t max_memory_bytes;    // all linear memories of an instance together
  uint64_t max_table_elements;  // all tables of an instance together
  // What a guest's sockets reach. Both are given, or none and there are no sockets at all. Any thread.
  // Whether the guest may look up this name.
  bool (*allow_name)(void* policy, tdm_str name);
  // Whether a socket may connect to this address ("10.0.0.7", port), send to it and hear from it. Asked without a name,
  // then with each name whose lookup led to the address, until it is granted.
  bool (*allow_address)(void* policy, int transport, tdm_str name, tdm_str ip, uint16_t port);
  void* policy;  // outlives the program
} tdm_program_config;

// Links once for all instances. Fails with TDM_ERROR_LINK naming the first import that is missing.
tdm_error* tdm_program_new(const tdm_module* module, const tdm_linker* linker, const tdm_program_config* config,
                           tdm_program** out);
void tdm_program_delete(tdm_program* program);

// ---- instance
// --------------------------------------------------------------------------------------------------------

typedef struct tdm_instance tdm_instance;
// A guest's own outgoing HTTP exchange. Reference counted: the C++ side holds one reference from http_send on.
typedef struct tdm_exchange tdm_exchange;

typedef struct tdm_request {
  tdm_str method;
  tdm_str scheme;     // "http", "https"
  tdm_str authority;  // may be empty
  tdm_str target;     // path and query
  const tdm_header* headers;
  size_t headers_count;
  tdm_str body;     // what is there already
  bool body_whole;  // nothing follows `body` but these
  const tdm_header* trailers;
  size_t trailers_count;
} tdm_request;

// Time-outs that a guest may set on its own request, in nanoseconds; 0: not set.
typedef struct tdm_timeouts {
  uint64_t connect_ns;
  uint64_t first_byte_ns;
  uint64_t between_bytes_ns;
} tdm_timeouts;

enum tdm_stream { TDM_STDOUT = 1, TDM_STDERR = 2 };

enum tdm_outcome {
  TDM_RETURNED = 1,  // the export returned
  TDM_FAILED = 2,    // trap, exit or failed start: `error` of the done callback says why; the instance is dead
};

// What an instance tells its owner. `user` is what tdm_instance_new() was given, `call` what tdm_instance_start() was.
typedef struct tdm_instance_events {
  // The waker. Any thread, also during a poll; may come after the instance is deleted, until release_waker.
  void (*wake)(void* waker);
  void (*release_waker)(void* waker);

  // A whole line, or a piece of 8 KiB of a longer one, of stdout or stderr, without its end. May come from inside a
  // host function of the guest.
  void (*log)(void* user, int stream, tdm_str line);

  // The answer's head. `whole`: `body` is all of it and no further event follows for the answer, except done. Otherwise
  // answer_body() follows, once per tdm_call_drained(), and then answer_end() or answer_cut().
  void (*answer)(void* user, void* call, uint16_t status, const tdm_header* headers, size_t headers_count, tdm_str body,
                 bool whole);
  // The guest answered with an error instead of a response (a wasi:http error-code's name).
  void (*answer_error)(void* user, void* call, tdm_str error);
  void (*answer_body)(void* user, void* call, tdm_str piece);
  void (*answer_end)(void* user, void* call, const tdm_header* trailers, size_t trailers_count);
  // The guest left the body unfinished: the answer must not look complete.
  void (*answer_cut)(void* user, void* call);
  // The guest wants more of the request's body: tdm_call_body() or tdm_call_body_end() follow.
  void (*want_body)(void* user, void* call);
  // The last event of a call. `answered`: the guest set an answer. With TDM_FAILED `error` is borrowed.
  void (*done)(void* user, void* call, int outcome, bool answered, const tdm_error* error);

  // A guest's own request leaves. `call` is the running call. More body follows when !request->body_whole: http_body(),
  // then http_body_end(). The views live during the callback.
  void (*http_send)(void* user, tdm_exchange* exchange, const tdm_request* request, const tdm_timeouts* timeouts);
  void (*http_body)(void* user, tdm_exchange* exchange, tdm_str piece);
  void (*http_body_end)(void* user, tdm_exchange* exchange, bool complete, const tdm_header* trailers,
                        size_t trailers_count);
  // The guest has read what was pushed: more may be pushed.
  void (*http_want_body)(void* user, tdm_exchange* exchange);
  // The guest does not want the answer any more. The reference is still to be released.
  void (*http_cancel)(void* user, tdm_exchange* exchange);
} tdm_instance_events;

// Makes an instance; its start runs in the first poll. `user` outlives the instance, `events` is copied, `waker` is
// released through release_waker. Fails with TDM_ERROR_LIMIT when the process has no slot left (try later).
tdm_error* tdm_instance_new(tdm_program* program, const tdm_instance_events* events, void* user, void* waker,
                            tdm_instance** out);
// Stops the guest wherever it is. Not from inside a callback.
void tdm_instance_delete(tdm_instance* instance);

enum tdm_poll {
  TDM_POLL_PENDING = 1,  // wait for the waker
  TDM_POLL_IDLE = 2,     // no call is running: start the next one, keep it or delete it
  TDM_POLL_DEAD = 3,     // delete it
};

// Runs the guest until it waits for something, its call is done or its time slice is over. Only after a wake, or after
// tdm_instance_start() and the functions below.
int tdm_instance_poll(tdm_instance* instance);
// Gives an idle instance a call; poll it then. For a command the body is its stdin, and its stdout is the body of an
// answer with status 200; an exit with another status than 0 is TDM_FAILED. A command runs once: then it is dead.
// `request` and all it points to live until done; the body is copied. Between polls its pointers may be moved to
// another copy of the same head: they are read anew each time that the guest asks.
void tdm_instance_start(tdm_instance* instance, const tdm_request* request, void* call);
// For programs of TDM_MODULE_CORE instead of tdm_instance_start(): calls an export. After done, tdm_instance_results()
// copies up to `capacity` results and returns how many there are.
void tdm_instance_call(tdm_instance* instance, tdm_str export_name, const uint64_t* arguments, size_t count,
                       void* call);
size_t tdm_instance_results(const tdm_instance* instance, uint64_t* out, size_t capacity);
// Linear memory at the end of the last call, bytes.
uint64_t tdm_instance_memory_bytes(const tdm_instance* instance);
// Handles that the guest has not given back, counted every 64 calls; grows when it leaks.
size_t tdm_instance_resource_count(const tdm_instance* instance);

// ---- the running call of an instance
// ---------------------------------------------------------------------------------- Each may be called inside
// callbacks; outside of them poll the instance when its waker fires.

// More of the request's body, after want_body. Copied.
void tdm_call_body(tdm_instance* instance, tdm_str piece);
// The body is over; with `complete` false the guest sees a broken connection. The trailers are copied.
void tdm_call_body_end(tdm_instance* instance, bool complete, const tdm_header* trailers, size_t trailers_count);
// What answer() or answer_body() gave has been written: the next piece may come.
void tdm_call_drained(tdm_instance* instance);
// The client is gone: what the guest still writes is thrown away. The guest is not stopped.
void tdm_call_discard(tdm_instance* instance);

// ---- a guest's own exchange
// -------------------------------------------------------------------------------------------- Valid until
// tdm_exchange_release(), also after the instance is gone (they do nothing then). On the instance's thread.

// wasi:http error-code by position in its WIT declaration, for tdm_exchange_fail().
enum tdm_http_error {
  TDM_HTTP_DNS_ERROR = 1,
  TDM_HTTP_DESTINATION_PROHIBITED = 4,
  TDM_HTTP_CONNECTION_REFUSED = 6,
  TDM_HTTP_CONNECTION_TERMINATED = 7,
  TDM_HTTP_CONNECTION_TIMEOUT = 8,
  TDM_HTTP_READ_TIMEOUT = 9,
  TDM_HTTP_TLS_PROTOCOL_ERROR = 12,
  TDM_HTTP_TLS_CERTIFICATE_ERROR = 13,
  TDM_HTTP_REQUEST_DENIED = 15,
  TDM_HTTP_URI_INVALID = 19,
  TDM_HTTP_RESPONSE_INCOMPLETE = 25,
  TDM_HTTP_RESPONSE_TIMEOUT = 33,
  TDM_HTTP_PROTOCOL_ERROR = 35,
  TDM_HTTP_INTERNAL_ERROR = 38,
};

void tdm_exchange_respond(tdm_exchange* exchange, uint16_t status, const tdm_header* headers, size_t headers_count);
void tdm_exchange_body(tdm_exchange* exchange, tdm_str piece);
void tdm_exchange_body_end(tdm_exchange* exchange, const tdm_header* trailers, size_t trailers_count);
// Before respond: the request failed. After it: the body broke off.
void tdm_exchange_fail(tdm_exchange* exchange, int error, tdm_str message);
// What http_send or http_body gave has been sent: the next piece may come.
void tdm_exchange_drained(tdm_exchange* exchange);
// The C++ side keeps its own pointer with an exchange, to find it again in the callbacks above.
void tdm_exchange_set_user(tdm_exchange* exchange, void* user);
void* tdm_exchange_get_user(const tdm_exchange* exchange);
void tdm_exchange_release(tdm_exchange* exchange);

#ifdef __cplusplus
}
#endif

#endif  // TANDEM_ENGINE_H
