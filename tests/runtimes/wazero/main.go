// Command wazero runs a WASI preview 1 guest under wazero and gives it one function, `dapr.round_trip`: a request as HTTP/1.1
// writes it goes to the sidecar at DAPR_HTTP_PORT, the answer comes back the same way. wazero has no HTTP of its own; this is
// how a program that embeds it puts a guest beside a sidecar.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

const patience = 30 * time.Second

func main() {
	status, err := run(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wazero:", err)
		status = 1
	}
	os.Exit(status)
}

func run(path string) (int, error) {
	code, err := os.ReadFile(path)
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	_, err = runtime.NewHostModuleBuilder("dapr").NewFunctionBuilder().WithFunc(roundTrip).Export("round_trip").Instantiate(ctx)
	if err != nil {
		return 1, err
	}
	config := wazero.NewModuleConfig().WithStdout(os.Stdout).WithStderr(os.Stderr).WithArgs("guest")
	_, err = runtime.InstantiateWithConfig(ctx, code, config)
	if exit, ok := err.(*sys.ExitError); ok {
		return int(exit.ExitCode()), nil
	}
	return 0, err
}

// roundTrip sends the guest's bytes and writes what comes into the guest's buffer: its length, or -1.
func roundTrip(_ context.Context, guest api.Module, request, length, answer, capacity uint32) int32 {
	sent, ok := guest.Memory().Read(request, length)
	if !ok {
		return -1
	}
	connection, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("DAPR_HTTP_PORT")), patience)
	if err != nil {
		return -1
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience))
	if _, err = connection.Write(sent); err != nil {
		return -1
	}
	// The guest asks for `connection: close`.
	got, err := io.ReadAll(io.LimitReader(connection, int64(capacity)))
	if err != nil || !guest.Memory().Write(answer, got) {
		return -1
	}
	return int32(len(got))
}
