// A WASI preview 1 guest that uses Go's own HTTP client on Dapr's API: state, invocation, publishing, metadata. Its transport
// is the one function that its host gives it. Prints a line a check and ends with status 1 at the first that fails.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"unsafe"
)

//go:wasmimport dapr round_trip
func roundTrip(request unsafe.Pointer, length uint32, answer unsafe.Pointer, capacity uint32) int32

type transport struct{}

func (transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Close = true
	var written bytes.Buffer
	if err := request.Write(&written); err != nil {
		return nil, err
	}
	answer := make([]byte, 1<<20)
	sent := written.Bytes()
	length := roundTrip(unsafe.Pointer(&sent[0]), uint32(len(sent)), unsafe.Pointer(&answer[0]), uint32(len(answer)))
	if length < 0 {
		return nil, errors.New("the host could not reach the sidecar")
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(answer[:length])), request)
}

func check(what, method, path, body string, status int, contains string) {
	request, err := http.NewRequest(method, "http://dapr"+path, strings.NewReader(body))
	if err != nil {
		fail(what, err)
	}
	request.Header.Set("content-type", "application/json")
	answer, err := (&http.Client{Transport: transport{}}).Do(request)
	if err != nil {
		fail(what, err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		fail(what, err)
	}
	if answer.StatusCode != status || !strings.Contains(string(got), contains) {
		fail(what, fmt.Sprintf("%d %s", answer.StatusCode, got))
	}
	fmt.Println("ok", what)
}

func fail(what string, why any) {
	fmt.Println("FAILED", what+":", why)
	os.Exit(1)
}

func main() {
	const store, key = "/v1.0/state/statestore", "/v1.0/state/statestore/wasm"
	check("health", "GET", "/v1.0/healthz", "", 204, "")
	check("save", "POST", store, `[{"key":"wasm","value":{"n":17}}]`, 204, "")
	check("get", "GET", key, "", 200, `{"n":17}`)
	check("delete", "DELETE", key, "", 204, "")
	check("gone", "GET", key, "", 204, "")
	check("invoke", "POST", "/v1.0/invoke/echo/method/any", "a body", 200, "a body")
	check("publish", "POST", "/v1.0/publish/pubsub/topic", `{"n":1}`, 204, "")
	check("metadata", "GET", "/v1.0/metadata", "", 200, `"id":"echo"`)
	check("error", "GET", "/v1.0/state/none/k", "", 400, "ERR_STATE_STORE_NOT_FOUND")
}
