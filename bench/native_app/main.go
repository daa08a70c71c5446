// The app of bench/pubsub.py as a native program behind a daprd: what tests/guests/event_count is as a guest, path by path.
//
// usage: native_app DAPR_HTTP_PORT     prints its own port, serves until a signal
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// As counts.rs has them.
const classes = 32 * 40

type counts struct {
	sync.Mutex
	count, sum, squares uint64
	ages                [classes]uint64
}

func class(micros uint64) int {
	if micros < 32 {
		return int(micros)
	}
	doublings := 63 - bits.LeadingZeros64(micros) - 5
	return min((doublings+1)*32+int(micros>>doublings)-32, classes-1)
}

func (c *counts) add(number, micros uint64) {
	c.Lock()
	defer c.Unlock()
	c.count++
	c.sum += number
	c.squares += number * number
	c.ages[class(micros)]++
}

func (c *counts) json() string {
	c.Lock()
	defer c.Unlock()
	var ages []string
	for class, events := range c.ages {
		if events > 0 {
			ages = append(ages, fmt.Sprintf("[%d,%d]", class, events))
		}
	}
	return fmt.Sprintf(`{"id":"0","count":%d,"sum":"%d","squares":"%d","ages":[%s]}`,
		c.count, c.sum, c.squares, strings.Join(ages, ","))
}

// number has the digits that follow mark.
func number(text, mark []byte) (found uint64, ok bool) {
	at := bytes.Index(text, mark)
	if at < 0 {
		return 0, false
	}
	for _, digit := range text[at+len(mark):] {
		if digit < '0' || digit > '9' {
			break
		}
		found, ok = found*10+uint64(digit-'0'), true
	}
	return found, ok
}

type app struct {
	counts  counts
	client  http.Client
	binding string
}

func (a *app) take(answer http.ResponseWriter, request *http.Request) {
	event, _ := io.ReadAll(request.Body)
	sent, isSent := number(event, []byte(`"sent":"`))
	n, isNumbered := number(event, []byte(`"n":"`))
	if !isSent || !isNumbered {
		answer.WriteHeader(http.StatusNotFound)
		return
	}
	now := uint64(time.Now().UnixNano())
	a.counts.add(n, (max(now, sent)-sent)/1000)
}

func (a *app) invoke(answer http.ResponseWriter, _ *http.Request) {
	got, err := a.client.Post(a.binding, "application/json", strings.NewReader(`{"operation":"get"}`))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadGateway)
		return
	}
	defer got.Body.Close()
	answer.WriteHeader(got.StatusCode)
	io.Copy(answer, got.Body)
}

func json(text func() string) http.HandlerFunc {
	return func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		io.WriteString(answer, text())
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: native_app DAPR_HTTP_PORT")
		os.Exit(1)
	}
	a := &app{
		client:  http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}},
		binding: "http://127.0.0.1:" + os.Args[1] + "/v1.0/bindings/target",
	}
	http.HandleFunc("POST /events", a.take)
	http.HandleFunc("GET /invoke", a.invoke)
	http.HandleFunc("GET /counted", json(a.counts.json))
	http.HandleFunc("GET /dapr/subscribe", json(func() string {
		return `[{"pubsubname":"pubsub","topic":"events","route":"/events"}]`
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
