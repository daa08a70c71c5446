// The fake engine: the C ABI of engine/include/ in C++, without Wasmtime and without WebAssembly.
//
// It is linked in place of the Rust library where that one cannot go (ThreadSanitizer does not see its threads) and
// where a test wants a guest that does one thing exactly. Its second use: it checks the other side's half of the
// contract. Breaking a rule of tandem_engine.h or tandem_wit.h (polling inside a callback, a second start, use after
// delete, a reply answered twice …) ends the process with that rule's text.
//
// A module's bytes are a script: steps divided by ';', run once for each call. The answer to a call is what its last
// answering step says.
//   hello                     200, "hello"
//   status N                  N, without a body
//   echo                      200, the request's body; in pieces when it comes in pieces
//   stream KIB                200, KIB KiB of bytes in pieces
//   cut                       leaves the body of a streamed answer unfinished
//   error NAME                answers with a wasi:http error instead of a response
//   suspend N                 waits until its waker was fired N times, by another thread
//   spin                      computes for ever, a time slice at a time
//   never-answer              waits for ever
//   trap                      traps
//   call URL                  GET URL, and its answer as the answer; a failure is a 500 that names wasi:http's number
//   relay URL                 POST URL with the request's body, both bodies in pieces
//   abandon URL               GET URL, and drops it before there is an answer
//   get STORE KEY             200 with the value, 204 without one; an error is a 500 with its text
//   set STORE KEY VALUE       as above; 204
//   publish PUBSUB TOPIC DATA as above; 204
//   invoke APP PATH           as above; the answer of that app
//   log TEXT                  a line on stdout
//   leak                      keeps one more handle
//   grow MIB                  has so much memory from now on
//   from-header               the steps that the request's header "script" holds
//   verdict WORD              success, retry or drop, of an event (events.cc)
// A script that ends without an answer returns without one. What holds for the whole module comes first:
//   command                   a preview 1 command: runs once
//   fails-to-start            traps before its first call
//   needs NAME                imports a function that nothing provides
//   exports NAME              exports an interface of that name too
//   subscribes A B            what it answers when it is asked at its start: pub/sub A and topic B, binding B, store A
// Every answer has the headers "fake-instance" (a number for each instance) and "fake-call" (1 for its first call).
#pragma once

#include <cstddef>

namespace tandem::fake {

// What is alive in the process. Any thread.
struct Counts {
  std::size_t instances = 0;
  std::size_t exchanges = 0;  // that C++ has not released
  std::size_t wakers = 0;
  std::size_t replies = 0;  // that C++ has not answered
};
Counts counts();

}  // namespace tandem::fake
