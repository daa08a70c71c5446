// Package export_wasi_http_incoming_handler ties the app to the export of wasi:http; the generated bindings give the
// package its name.
package export_wasi_http_incoming_handler

import (
	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"

	"wit_component/shop"
	types "wit_component/wasi_http_types"
	"wit_component/wasihttp"
)

// Handle is called once a request.
func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	// What the host has handed in during the call stays pinned until this.
	defer witRuntime.Unpin()
	wasihttp.Serve(request, out, shop.Answer)
}
