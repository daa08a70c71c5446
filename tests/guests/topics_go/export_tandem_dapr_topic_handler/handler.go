// Package export_tandem_dapr_topic_handler takes the events of the topic `orders` and keeps their data in the state
// store, by the event's id; data of `drop` are dropped, and `trap` ends the instance. The generated bindings give the
// package its name.
package export_tandem_dapr_topic_handler

import (
	"runtime"
	"runtime/debug"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"

	state "wit_component/tandem_dapr_state"
	topics "wit_component/tandem_dapr_topic_handler"
)

// A collection that is under way while the host hands something in would read the clock there, and trap: so they happen
// here, each after some thousand events, and never by themselves.
func init() { debug.SetGCPercent(-1) }

const eventsBetweenCollections = 2000

var events int

// Subscriptions is asked once, when the app starts.
func Subscriptions() []topics.Subscription {
	return []topics.Subscription{{
		Pubsub:          "pubsub",
		Topic:           "orders",
		DeadLetterTopic: wit.None[string](),
		Metadata:        nil,
	}}
}

// Handle takes one event.
func Handle(event topics.Event) topics.Verdict {
	// What the host has handed in stays pinned until this.
	defer witRuntime.Unpin()
	switch string(event.Data) {
	case "drop":
		return topics.Verdict_Drop
	case "trap":
		panic("it was told so")
	}
	if state.Set("statestore", event.Id, event.Data).IsErr() {
		return topics.Verdict_Retry
	}
	if events++; events%eventsBetweenCollections == 0 {
		runtime.GC()
	}
	return topics.Verdict_Success
}
