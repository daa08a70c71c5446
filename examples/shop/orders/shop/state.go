package shop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"

	types "wit_component/wasi_http_types"
	"wit_component/wasihttp"
)

const store = "statestore"

// errRace says that somebody else wrote the key in between.
var errRace = errors.New("somebody else was faster")

// daprPort is where this app's Dapr API is.
func daprPort() string {
	if port := os.Getenv("DAPR_HTTP_PORT"); port != "" {
		return "localhost:" + port
	}
	return "localhost:3500"
}

// get reads a key into value and returns its ETag; a key that does not exist leaves value as it is and has none.
func get(key string, value any) (etag string, err error) {
	response, err := wasihttp.Do(types.MakeMethodGet(), daprPort(), "/v1.0/state/"+store+"/"+url.PathEscape(key), nil, nil)
	switch {
	case err != nil:
		return "", err
	case response.Status == 204 || response.Status == 200 && len(response.Body) == 0:
		return "", nil
	case response.Status != 200:
		return "", fmt.Errorf("reading %s: status %d: %.200s", key, response.Status, response.Body)
	}
	return response.Header["etag"], json.Unmarshal(response.Body, value)
}

// set writes a key if nobody has since the ETag was read: without one, if the key still does not exist.
func set(key string, value any, etag string) error {
	entry := map[string]any{"key": key, "value": value, "options": map[string]string{"concurrency": "first-write"}}
	if etag != "" {
		entry["etag"] = etag
	}
	body, err := json.Marshal([]any{entry})
	if err != nil {
		return err
	}
	header := map[string]string{"content-type": "application/json"}
	response, err := wasihttp.Do(types.MakeMethodPost(), daprPort(), "/v1.0/state/"+store, header, body)
	switch {
	case err != nil:
		return err
	case response.Status == 409, response.Status == 500 && etag == "":
		// Some stores answer 500 where a key exists that was to be new.
		return fmt.Errorf("writing %s: %w: %.200s", key, errRace, response.Body)
	case response.Status != 204:
		return fmt.Errorf("writing %s: status %d: %.200s", key, response.Status, response.Body)
	}
	return nil
}

// change reads a key, lets modify change it, and writes it back, again and again until nobody came in between. It writes
// nothing when modify says that nothing has changed.
func change[T any](key string, modify func(*T) bool) error {
	var err error
	for range attempts {
		var value T
		var etag string
		if etag, err = get(key, &value); err != nil {
			return err
		}
		if !modify(&value) {
			return nil
		}
		if err = set(key, value, etag); !errors.Is(err, errRace) {
			return err
		}
	}
	return fmt.Errorf("%d times: %w", attempts, err)
}
