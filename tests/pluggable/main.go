// Components in a program of their own, on Dapr's Go SDK for them, for the tests of pluggable components: the socket
// `parts.sock` is a state store, a broker and a binding, all in memory. The SDK has no secret stores: `vault.sock` is one
// on Dapr's protocol itself.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/dapr/components-contrib/bindings"
	contribpubsub "github.com/dapr/components-contrib/pubsub"
	contribstate "github.com/dapr/components-contrib/state"
	proto "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdkbindings "github.com/dapr-sandbox/components-go-sdk/bindings/v1"
	sdkpubsub "github.com/dapr-sandbox/components-go-sdk/pubsub/v1"
	sdkstate "github.com/dapr-sandbox/components-go-sdk/state/v1"
)

// What a component was asked, for keys and operations that ask for it.
type seen struct {
	Properties map[string]string `json:"properties"`
	Instance   string            `json:"instance"`
	Traced     bool              `json:"traced"`
	Deadline   bool              `json:"deadline"`
}

func (s seen) with(ctx context.Context) seen {
	incoming, _ := metadata.FromIncomingContext(ctx)
	s.Instance = strings.Join(incoming.Get("x-component-instance"), ",")
	s.Traced = len(incoming.Get("traceparent")) == 1
	_, s.Deadline = ctx.Deadline()
	return s
}

func last(key string) string { return key[strings.LastIndex(key, "|")+1:] }

// The way in which Dapr knows an ETag error of a component.
func etagError(code codes.Code, why string) error {
	with, err := status.New(code, "etag").WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "etag", Description: why}},
	})
	if err != nil {
		return err
	}
	return with.Err()
}

type item struct {
	value   []byte
	etag    int
	expires string
}

type store struct {
	contribstate.BulkStore
	mutex sync.Mutex
	items map[string]item
	count int
	asked seen
}

func newStore() sdkstate.Store {
	s := &store{items: map[string]item{}}
	s.BulkStore = contribstate.NewDefaultBulkStore(s)
	return s
}

func (s *store) Init(_ context.Context, m contribstate.Metadata) error {
	if m.Properties["refuse"] != "" {
		return errors.New("refused: " + m.Properties["refuse"])
	}
	s.asked.Properties = m.Properties
	return nil
}

func (s *store) Features() []contribstate.Feature {
	return []contribstate.Feature{contribstate.FeatureETag, contribstate.FeatureTransactional, "TTL"}
}

func (s *store) GetComponentMetadata() map[string]string { return nil }

func (s *store) Get(ctx context.Context, r *contribstate.GetRequest) (*contribstate.GetResponse, error) {
	switch last(r.Key) {
	case "asked":
		text, err := json.Marshal(s.asked.with(ctx))
		return &contribstate.GetResponse{Data: text}, err
	case "broken":
		return nil, status.Error(codes.DataLoss, "the disk is gone")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	one, found := s.items[r.Key]
	if !found {
		return &contribstate.GetResponse{}, nil
	}
	etag := strconv.Itoa(one.etag)
	answer := &contribstate.GetResponse{Data: one.value, ETag: &etag}
	if one.expires != "" {
		answer.Metadata = map[string]string{"ttlExpireTime": one.expires}
	}
	return answer, nil
}

func (s *store) check(key string, etag *string, concurrency string) error {
	one, found := s.items[key]
	if etag == nil || *etag == "" {
		if concurrency == contribstate.FirstWrite && found {
			return etagError(codes.FailedPrecondition, "there is one already")
		}
		return nil
	}
	number, err := strconv.Atoi(*etag)
	if err != nil {
		return etagError(codes.InvalidArgument, "not a number")
	}
	if !found || one.etag != number {
		return etagError(codes.FailedPrecondition, "another one")
	}
	return nil
}

func (s *store) Set(_ context.Context, r *contribstate.SetRequest) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.check(r.Key, r.ETag, r.Options.Concurrency); err != nil {
		return err
	}
	value, isBytes := r.Value.([]byte)
	if !isBytes {
		var err error
		if value, err = json.Marshal(r.Value); err != nil {
			return err
		}
	}
	s.count++
	one := item{value: value, etag: s.count}
	if ttl := r.Metadata["ttlInSeconds"]; ttl != "" {
		if _, err := strconv.Atoi(ttl); err != nil {
			return fmt.Errorf("the component does not know the time to live %s", ttl)
		}
		one.expires = "2040-01-02T03:04:05Z"
	}
	s.items[r.Key] = one
	return nil
}

func (s *store) Delete(_ context.Context, r *contribstate.DeleteRequest) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.check(r.Key, r.ETag, r.Options.Concurrency); err != nil {
		return err
	}
	delete(s.items, r.Key)
	return nil
}

func (s *store) Multi(ctx context.Context, r *contribstate.TransactionalStateRequest) error {
	for _, operation := range r.Operations {
		if last(operation.GetKey()) == "broken" {
			return status.Error(codes.Aborted, "nothing is written")
		}
	}
	for _, operation := range r.Operations {
		var err error
		switch one := operation.(type) {
		case contribstate.SetRequest:
			err = s.Set(ctx, &one)
		case contribstate.DeleteRequest:
			err = s.Delete(ctx, &one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A queue a topic, which all subscriptions to it share. A message that is not taken comes again.
type broker struct {
	mutex  sync.Mutex
	queues map[string]chan *contribpubsub.NewMessage
	asked  seen
}

func newBroker() sdkpubsub.PubSub {
	return &broker{queues: map[string]chan *contribpubsub.NewMessage{}}
}

func (b *broker) queue(topic string) chan *contribpubsub.NewMessage {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.queues[topic] == nil {
		b.queues[topic] = make(chan *contribpubsub.NewMessage, 1000)
	}
	return b.queues[topic]
}

func (b *broker) Init(_ context.Context, m contribpubsub.Metadata) error {
	b.asked.Properties = m.Properties
	return nil
}

func (b *broker) Features() []contribpubsub.Feature {
	return []contribpubsub.Feature{contribpubsub.FeatureBulkPublish, contribpubsub.FeatureMessageTTL}
}

func (b *broker) GetComponentMetadata() map[string]string { return nil }
func (b *broker) Close() error                            { return nil }

func (b *broker) put(topic string, data []byte, metadata map[string]string) {
	b.queue(topic) <- &contribpubsub.NewMessage{Data: data, Topic: topic, Metadata: metadata}
}

func (b *broker) Publish(ctx context.Context, r *contribpubsub.PublishRequest) error {
	if r.Topic == "full" {
		return status.Error(codes.ResourceExhausted, "no room")
	}
	if r.Topic == "asked" {
		text, err := json.Marshal(b.asked.with(ctx))
		if err != nil {
			return err
		}
		return errors.New(string(text))
	}
	b.put(r.Topic, r.Data, r.Metadata)
	return nil
}

func (b *broker) BulkPublish(_ context.Context, r *contribpubsub.BulkPublishRequest) (contribpubsub.BulkPublishResponse, error) {
	var answer contribpubsub.BulkPublishResponse
	for _, entry := range r.Entries {
		if strings.Contains(string(entry.Event), "bad") {
			answer.FailedEntries = append(answer.FailedEntries, contribpubsub.BulkPublishResponseFailedEntry{
				EntryId: entry.EntryId, Error: errors.New("it is bad")})
			continue
		}
		b.put(r.Topic, entry.Event, entry.Metadata)
	}
	return answer, nil
}

func (b *broker) Subscribe(ctx context.Context, r contribpubsub.SubscribeRequest, handler contribpubsub.Handler) error {
	queue := b.queue(r.Topic)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case message := <-queue:
				if err := handler(ctx, message); err != nil {
					queue <- message
				}
			}
		}
	}()
	return nil
}

// What `create` puts in, an input binding of the same `queue` reads.
type queue struct {
	events  chan []byte
	mutex   sync.Mutex
	answers []string
}

var queues sync.Map

func queueOf(m bindings.Metadata) *queue {
	one, _ := queues.LoadOrStore(m.Properties["queue"], &queue{events: make(chan []byte, 1000)})
	return one.(*queue)
}

type output struct {
	queue *queue
	asked seen
}

func (o *output) Init(_ context.Context, m bindings.Metadata) error {
	o.queue = queueOf(m)
	o.asked.Properties = m.Properties
	return nil
}

func (o *output) GetComponentMetadata() map[string]string { return nil }

func (o *output) Operations() []bindings.OperationKind {
	return []bindings.OperationKind{"create", "upper", "answers", "asked", "fail"}
}

func (o *output) Invoke(ctx context.Context, r *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	switch r.Operation {
	case "create":
		o.queue.events <- r.Data
		return nil, nil
	case "upper":
		return &bindings.InvokeResponse{Data: []byte(strings.ToUpper(string(r.Data))),
			Metadata: map[string]string{"colour": r.Metadata["colour"]}}, nil
	case "answers":
		o.queue.mutex.Lock()
		defer o.queue.mutex.Unlock()
		text, err := json.Marshal(o.queue.answers)
		return &bindings.InvokeResponse{Data: text}, err
	case "asked":
		text, err := json.Marshal(o.asked.with(ctx))
		return &bindings.InvokeResponse{Data: text}, err
	}
	return nil, status.Error(codes.NotFound, "no such file")
}

type input struct{ queue *queue }

func (i *input) Init(_ context.Context, m bindings.Metadata) error {
	i.queue = queueOf(m)
	return nil
}

func (i *input) GetComponentMetadata() map[string]string { return nil }
func (i *input) Close() error                            { return nil }

func (i *input) Read(ctx context.Context, handler bindings.Handler) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case event := <-i.queue.events:
				answer, err := handler(ctx, &bindings.ReadResponse{Data: event, Metadata: map[string]string{"from": "parts"}})
				if err != nil {
					i.queue.events <- event
					continue
				}
				i.queue.mutex.Lock()
				i.queue.answers = append(i.queue.answers, string(answer))
				i.queue.mutex.Unlock()
			}
		}
	}()
	return nil
}

type vault struct {
	proto.UnimplementedSecretStoreServer
	prefix string
}

func (v *vault) Init(_ context.Context, r *proto.SecretStoreInitRequest) (*proto.SecretStoreInitResponse, error) {
	v.prefix = r.Metadata.Properties["prefix"]
	return &proto.SecretStoreInitResponse{}, nil
}

func (v *vault) Features(context.Context, *proto.FeaturesRequest) (*proto.FeaturesResponse, error) {
	return &proto.FeaturesResponse{Features: []string{"MULTIPLE_KEY_VALUES_PER_SECRET"}}, nil
}

func (v *vault) login() map[string]string {
	return map[string]string{"user": v.prefix + "ada", "password": v.prefix + "lovelace"}
}

func (v *vault) Get(_ context.Context, r *proto.GetSecretRequest) (*proto.GetSecretResponse, error) {
	if r.Key != "login" {
		return nil, status.Error(codes.NotFound, "there is no secret "+r.Key+r.Metadata["version"])
	}
	return &proto.GetSecretResponse{Data: v.login()}, nil
}

func (v *vault) BulkGet(context.Context, *proto.BulkGetSecretRequest) (*proto.BulkGetSecretResponse, error) {
	return &proto.BulkGetSecretResponse{Data: map[string]*proto.SecretResponse{"login": {Secrets: v.login()}}}, nil
}

func serveVault() error {
	listener, err := net.Listen("unix", filepath.Join(os.Getenv("DAPR_COMPONENT_SOCKETS_FOLDER"), "vault.sock"))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	proto.RegisterSecretStoreServer(server, &vault{})
	reflection.Register(server)
	return server.Serve(listener)
}

func main() {
	go func() {
		if err := serveVault(); err != nil {
			panic(err)
		}
	}()
	dapr.Register("parts", dapr.WithStateStore(newStore), dapr.WithPubSub(newBroker),
		dapr.WithInputBinding(func() sdkbindings.InputBinding { return &input{} }),
		dapr.WithOutputBinding(func() sdkbindings.OutputBinding { return &output{} }))
	// Besides the binding alone, under the name of a component that is built in.
	dapr.Register("cron", dapr.WithOutputBinding(func() sdkbindings.OutputBinding { return &output{} }))
	dapr.MustRun()
}
