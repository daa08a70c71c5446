// Command sdk runs Dapr's Go SDK against the sidecar that DAPR_GRPC_PORT names: state, invocation, metadata and health.
// It prints a line a check and ends with status 1 at the first one that fails. The app "two" echoes.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const store = "statestore"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	client, err := dapr.NewClient()
	must("connect", err)
	defer client.Close()

	must("wait", client.Wait(ctx, 30*time.Second))
	state(ctx, client)
	etags(ctx, client)
	bulk(ctx, client)
	transactions(ctx, client)
	errors(ctx, client)
	invocation(ctx, client)
	metadata(ctx, client)
}

func state(ctx context.Context, client dapr.Client) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for key, value := range map[string][]byte{"text": []byte("hello"), "bytes": all, "json": []byte(`{"a": [1]}`)} {
		must("save "+key, client.SaveState(ctx, store, key, value, nil))
		item, err := client.GetState(ctx, store, key, nil)
		must("get "+key, err)
		check("value of "+key, bytes.Equal(item.Value, value) && item.Etag != "")
		must("delete "+key, client.DeleteState(ctx, store, key, nil))
		item, err = client.GetState(ctx, store, key, nil)
		must("get deleted "+key, err)
		check(key+" is gone", len(item.Value) == 0 && item.Etag == "")
	}
	must("save with ttl", client.SaveState(ctx, store, "ttl", []byte("x"), map[string]string{"ttlInSeconds": "1000"}))
	item, err := client.GetStateWithConsistency(ctx, store, "ttl", nil, dapr.StateConsistencyStrong)
	must("get with ttl", err)
	check("ttlExpireTime", item.Metadata["ttlExpireTime"] != "")
}

func etags(ctx context.Context, client dapr.Client) {
	must("save", client.SaveState(ctx, store, "etag", []byte("1"), nil))
	item, err := client.GetState(ctx, store, "etag", nil)
	must("get", err)
	first := item.Etag
	firstWrite := dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite)
	must("save with its etag", client.SaveStateWithETag(ctx, store, "etag", []byte("2"), first, nil, firstWrite))
	err = client.SaveStateWithETag(ctx, store, "etag", []byte("3"), first, nil, firstWrite)
	check("an old etag is refused", status.Code(err) == codes.Aborted)
	err = client.DeleteStateWithETag(ctx, store, "etag", &dapr.ETag{Value: first}, nil, nil)
	check("an old etag deletes nothing", status.Code(unwrapped(err)) == codes.Aborted)
	item, err = client.GetState(ctx, store, "etag", nil)
	must("get", err)
	check("the second value is there", string(item.Value) == "2")
	must("delete with its etag",
		client.DeleteStateWithETag(ctx, store, "etag", &dapr.ETag{Value: item.Etag}, nil, nil))
}

func bulk(ctx context.Context, client dapr.Client) {
	var items []*dapr.SetStateItem
	var keys []string
	for n := range 20 {
		key := fmt.Sprintf("bulk%d", n)
		keys = append(keys, key)
		items = append(items, &dapr.SetStateItem{Key: key, Value: []byte(fmt.Sprint(n))})
	}
	must("save bulk", client.SaveBulkState(ctx, store, items...))
	found, err := client.GetBulkState(ctx, store, append(keys, "missing"), nil, 5)
	must("get bulk", err)
	check("as many as asked for", len(found) == 21)
	for _, one := range found {
		wanted := strings.TrimPrefix(one.Key, "bulk")
		if one.Key == "missing" {
			wanted = ""
		}
		check("bulk value of "+one.Key, string(one.Value) == wanted && one.Error == "")
	}
	must("delete bulk", client.DeleteBulkState(ctx, store, keys, nil))
	found, err = client.GetBulkState(ctx, store, keys, nil, 5)
	must("get deleted bulk", err)
	for _, one := range found {
		check(one.Key+" is gone", len(one.Value) == 0)
	}
}

func transactions(ctx context.Context, client dapr.Client) {
	must("save", client.SaveState(ctx, store, "old", []byte("x"), nil))
	must("transaction", client.ExecuteStateTransaction(ctx, store, nil, []*dapr.StateOperation{
		{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "new", Value: []byte("y")}},
		{Type: dapr.StateOperationTypeDelete, Item: &dapr.SetStateItem{Key: "old"}},
	}))
	item, err := client.GetState(ctx, store, "new", nil)
	must("get", err)
	check("upserted", string(item.Value) == "y")
	item, err = client.GetState(ctx, store, "old", nil)
	must("get", err)
	check("deleted", len(item.Value) == 0)
	err = client.ExecuteStateTransaction(ctx, store, nil, []*dapr.StateOperation{
		{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "new", Value: []byte("z")}},
		{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "old", Value: []byte("z"),
			Etag: &dapr.ETag{Value: "11111111-2222-4333-8444-555555555555"}}},
	})
	check("a wrong etag fails it", err != nil)
	item, err = client.GetState(ctx, store, "new", nil)
	must("get", err)
	check("and nothing of it is done", string(item.Value) == "y")
}

func errors(ctx context.Context, client dapr.Client) {
	_, err := client.GetState(ctx, "nowhere", "k", nil)
	check("unknown store", status.Code(unwrapped(err)) == codes.InvalidArgument)
	err = client.SaveState(ctx, store, "k", []byte("x"), map[string]string{"ttlInSeconds": "soon"})
	check("a ttl that is no number", err != nil && strings.Contains(err.Error(), store))
}

func invocation(ctx context.Context, client dapr.Client) {
	out, err := client.InvokeMethodWithContent(ctx, "two", "echo", "post",
		&dapr.DataContent{ContentType: "text/plain", Data: []byte("a body")})
	must("invoke", err)
	check("the body comes back", string(out) == "a body")
	out, err = client.InvokeMethod(ctx, "two", "path/x?q=1", "get")
	must("invoke with a query", err)
	check("the query arrives", string(out) == "/path/x?q=1")
	for _, verb := range []string{"get", "put", "delete", "post"} {
		out, err = client.InvokeMethod(ctx, "two", "method", verb)
		must("invoke "+verb, err)
		check("the verb arrives", strings.EqualFold(string(out), verb))
	}
	_, err = client.InvokeMethod(ctx, "two", "status/404", "get")
	check("404 is NotFound", status.Code(err) == codes.NotFound)
	_, err = client.InvokeMethod(ctx, "nobody", "x", "get")
	check("unknown app", err != nil && strings.Contains(err.Error(), "nobody"))
}

func metadata(ctx context.Context, client dapr.Client) {
	must("set metadata", client.SetMetadata(ctx, "colour", "green"))
	got, err := client.GetMetadata(ctx)
	must("get metadata", err)
	check("id", got.ID == "one")
	check("label", got.ExtendedMetadata["colour"] == "green")
	types := map[string]string{}
	for _, component := range got.RegisteredComponents {
		types[component.Name] = component.Type
	}
	check("components", types[store] == "state.in-memory" && types["pubsub"] == "pubsub.in-memory")
}

// The SDK wraps some errors in text of its own.
func unwrapped(err error) error {
	for err != nil {
		if _, ok := status.FromError(err); ok {
			return err
		}
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = inner.Unwrap()
	}
	return err
}

func must(what string, err error) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", what, err)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}

func check(what string, holds bool) {
	if !holds {
		fmt.Println("FAILED", what)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}
