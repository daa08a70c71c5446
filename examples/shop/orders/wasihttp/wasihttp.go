// Package wasihttp is HTTP as an app wants it, on the bindings of wasi:http: whole requests and answers in memory. It is
// much smaller than net/http, and with it the guest's start. Resources are dropped as soon as they are used: the host
// reuses an instance only when it holds none.
package wasihttp

import (
	"fmt"
	"strings"

	wit "go.bytecodealliance.org/pkg/wit/types"

	outgoing "wit_component/wasi_http_outgoing_handler"
	types "wit_component/wasi_http_types"
	streams "wit_component/wasi_io_streams"
)

// maxBody bounds what is read into memory, in bytes.
const maxBody = 4 << 20

// Request is a request that came in.
type Request struct {
	Method string
	Path   string // without the query
	Body   []byte
}

// Response is an answer, given or received. Header names are in lower case.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Serve reads the request, asks the app, and sends its answer.
func Serve(request *types.IncomingRequest, out *types.ResponseOutparam, app func(Request) Response) {
	in := Request{Method: methodName(request.Method()), Path: "/"}
	if path := request.PathWithQuery(); path.IsSome() {
		in.Path, _, _ = strings.Cut(path.Some(), "?")
	}
	var answer Response
	if body, err := read(request.Consume().Ok()); err != nil {
		answer = Response{Status: 400, Body: []byte(err.Error())}
	} else {
		in.Body = body
		answer = app(in)
	}
	request.Drop()
	response := types.MakeOutgoingResponse(fields(answer.Header))
	response.SetStatusCode(uint16(answer.Status))
	body := response.Body().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	// A client that has left is no failure of the app.
	_ = write(body, answer.Body)
	collect()
}

// Do sends a request to http://authority/path and waits for the whole answer.
func Do(method types.Method, authority, path string, header map[string]string, body []byte) (Response, error) {
	request := types.MakeOutgoingRequest(fields(header))
	request.SetMethod(method)
	request.SetScheme(wit.Some(types.MakeSchemeHttp()))
	request.SetAuthority(wit.Some(authority))
	request.SetPathWithQuery(wit.Some(path))
	requestBody := request.Body().Ok()
	sent := outgoing.Handle(request, wit.None[*types.RequestOptions]())
	if sent.IsErr() {
		requestBody.Drop()
		return Response{}, fmt.Errorf("%s http://%s%s: error code %d of wasi:http", methodName(method), authority, path, sent.Err().Tag())
	}
	future := sent.Ok()
	defer future.Drop()
	if err := write(requestBody, body); err != nil {
		return Response{}, fmt.Errorf("%s http://%s%s: %w", methodName(method), authority, path, err)
	}
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	received := future.Get().Some().Ok()
	if received.IsErr() {
		return Response{}, fmt.Errorf("%s http://%s%s: error code %d of wasi:http", methodName(method), authority, path, received.Err().Tag())
	}
	response := received.Ok()
	defer response.Drop()
	answer := Response{Status: int(response.Status()), Header: map[string]string{}}
	headers := response.Headers()
	for _, entry := range headers.Entries() {
		answer.Header[strings.ToLower(entry.F0)] = string(entry.F1)
	}
	headers.Drop()
	var err error
	answer.Body, err = read(response.Consume().Ok())
	return answer, err
}

func fields(header map[string]string) *types.Fields {
	entries := make([]wit.Tuple2[string, []uint8], 0, len(header))
	for name, value := range header {
		entries = append(entries, wit.Tuple2[string, []uint8]{F0: name, F1: []byte(value)})
	}
	return types.FieldsFromList(entries).Ok()
}

func read(body *types.IncomingBody) ([]byte, error) {
	defer func() { types.IncomingBodyFinish(body).Drop() }()
	stream := body.Stream().Ok()
	defer stream.Drop()
	var all []byte
	for {
		chunk := stream.BlockingRead(64 * 1024)
		if chunk.IsErr() {
			if reason := chunk.Err(); reason.Tag() == streams.StreamError_LastOperationFailed {
				reason.LastOperationFailed().Drop()
				return nil, fmt.Errorf("the body broke off after %d bytes", len(all))
			}
			return all, nil
		}
		all = append(all, chunk.Ok()...)
		if len(all) > maxBody {
			return nil, fmt.Errorf("the body is longer than %d bytes", maxBody)
		}
	}
}

func write(body *types.OutgoingBody, bytes []byte) error {
	stream := body.Write().Ok()
	for len(bytes) > 0 {
		// blocking-write-and-flush takes at most 4096 bytes.
		n := min(len(bytes), 4096)
		if stream.BlockingWriteAndFlush(bytes[:n]).IsErr() {
			stream.Drop()
			body.Drop()
			return fmt.Errorf("the other side stopped reading")
		}
		bytes = bytes[n:]
	}
	stream.Drop()
	types.OutgoingBodyFinish(body, wit.None[*types.Fields]())
	return nil
}

func methodName(method types.Method) string {
	if method.Tag() == types.Method_Other {
		return method.Other()
	}
	return [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}[method.Tag()]
}
