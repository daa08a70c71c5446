// Package shop keeps the sales of every item. It is an ordinary Dapr app: it names its subscriptions in GET /dapr/subscribe,
// gets its events by POST, and keeps its state through the Dapr port. It runs unchanged beside a daprd.
package shop

import (
	"encoding/json"
	"fmt"
	"slices"

	"wit_component/wasihttp"
)

// attempts bounds how often a lost race for a key is run again before the event goes back to the broker.
const attempts = 10

// remembered is how many orders an item's sales remember, to count an event once that is delivered twice.
const remembered = 64

// Sales is what the state holds for an item.
type Sales struct {
	Item         string   `json:"item"`
	Orders       int      `json:"orders"`
	Quantity     int      `json:"quantity"`
	RevenueCents int      `json:"revenueCents"`
	Recent       []string `json:"recent,omitempty"` // ids of the latest orders
}

type order struct {
	ID         string `json:"id"`
	Item       string `json:"item"`
	Quantity   int    `json:"quantity"`
	TotalCents int    `json:"totalCents"`
}

// Answer is the app: one request in, one answer out.
func Answer(request wasihttp.Request) wasihttp.Response {
	switch request.Method + " " + request.Path {
	case "GET /dapr/subscribe":
		return reply(200, []map[string]string{{"pubsubname": "pubsub", "topic": "orders", "route": "/orders-events"}})
	case "POST /orders-events":
		return count(request.Body)
	case "GET /totals":
		return totals()
	case "GET /healthz":
		return wasihttp.Response{Status: 204}
	}
	return reply(404, map[string]string{"error": "no such page: " + request.Method + " " + request.Path})
}

// count adds the order of an event to the sales of its item. RETRY sends the event back to the broker, DROP does not.
func count(body []byte) wasihttp.Response {
	var event struct {
		Data order `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Data.ID == "" || event.Data.Item == "" {
		fmt.Printf("not an order, dropped: %.200s\n", body)
		return reply(200, map[string]string{"status": "DROP"})
	}
	if err := addToIndex(event.Data.Item); err != nil {
		return retry(event.Data, err)
	}
	err := change("sales-"+event.Data.Item, func(sales *Sales) bool {
		if slices.Contains(sales.Recent, event.Data.ID) {
			return false
		}
		sales.Item = event.Data.Item
		sales.Orders++
		sales.Quantity += event.Data.Quantity
		sales.RevenueCents += event.Data.TotalCents
		sales.Recent = append(sales.Recent, event.Data.ID)
		sales.Recent = sales.Recent[max(0, len(sales.Recent)-remembered):]
		return true
	})
	if err != nil {
		return retry(event.Data, err)
	}
	return reply(200, map[string]string{"status": "SUCCESS"})
}

func retry(order order, err error) wasihttp.Response {
	fmt.Printf("order %s not counted yet: %v\n", order.ID, err)
	return reply(200, map[string]string{"status": "RETRY"})
}

// addToIndex makes sure that the list of all items has this one.
func addToIndex(item string) error {
	return change("items", func(items *[]string) bool {
		at, found := slices.BinarySearch(*items, item)
		if !found {
			*items = slices.Insert(*items, at, item)
		}
		return !found
	})
}

// totals answers the sales of every item, by name.
func totals() wasihttp.Response {
	var items []string
	if _, err := get("items", &items); err != nil {
		return reply(503, map[string]string{"error": err.Error()})
	}
	all := make([]Sales, 0, len(items))
	for _, item := range items {
		var sales Sales
		if _, err := get("sales-"+item, &sales); err != nil {
			return reply(503, map[string]string{"error": err.Error()})
		}
		sales.Item, sales.Recent = item, nil
		all = append(all, sales)
	}
	return reply(200, all)
}

func reply(status int, value any) wasihttp.Response {
	body, err := json.Marshal(value)
	if err != nil {
		return wasihttp.Response{Status: 500, Body: []byte(err.Error())}
	}
	return wasihttp.Response{Status: status, Header: map[string]string{"content-type": "application/json"}, Body: body}
}
