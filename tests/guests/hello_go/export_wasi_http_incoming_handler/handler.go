// Package export_wasi_http_incoming_handler answers every request with "hello", like tests/guests/hello: what a Go guest
// costs. The generated bindings give the package its name.
package export_wasi_http_incoming_handler

import (
	"runtime"
	"runtime/debug"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"

	http "wit_component/wasi_http_types"
)

// A collection that is under way while the host hands something in would read the clock there, and trap: so they happen
// here, each after some thousand calls, and never by themselves.
func init() { debug.SetGCPercent(-1) }

const callsBetweenCollections = 2000

var calls int

// Handle is the export of wasi:http/incoming-handler. Resources are dropped at once and not when the garbage collector
// comes by: an instance is used again only when it holds none.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	// What the host has handed in during the call stays pinned until this.
	defer witRuntime.Unpin()
	defer request.Drop()
	headers := http.FieldsFromList([]wit.Tuple2[string, []uint8]{{F0: "content-type", F1: []byte("text/plain")}}).Ok()
	response := http.MakeOutgoingResponse(headers)
	body := response.Body().Ok()
	http.ResponseOutparamSet(out, wit.Ok[*http.OutgoingResponse, http.ErrorCode](response))
	stream := body.Write().Ok()
	stream.BlockingWriteAndFlush([]byte("hello"))
	stream.Drop()
	http.OutgoingBodyFinish(body, wit.None[*http.Fields]())
	if calls++; calls%callsBetweenCollections == 0 {
		runtime.GC()
	}
}
