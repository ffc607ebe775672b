package kube

import (
	"context"
	"log"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Reconcile brings the object of that key to where it should be; an error has it tried again.
type Reconcile func(ctx context.Context, key string) error

// Loop is a work queue with exponential back-off for each key.
type Loop struct {
	name      string
	queue     workqueue.TypedRateLimitingInterface[string]
	reconcile Reconcile
}

// NewLoop makes a loop that retries after `retry`, doubling up to `retryMax`.
func NewLoop(name string, retry, retryMax time.Duration, reconcile Reconcile) *Loop {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](retry, retryMax)
	return &Loop{name: name, queue: workqueue.NewTypedRateLimitingQueue(limiter), reconcile: reconcile}
}

// Add queues the key.
func (l *Loop) Add(key string) { l.queue.Add(key) }

// AddObject queues the key of an informer's object.
func (l *Loop) AddObject(object any) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil {
		log.Printf("%s: %v", l.name, err)
		return
	}
	l.Add(key)
}

// Watch queues every object that the informer sees added, changed or deleted.
func (l *Loop) Watch(informer cache.SharedInformer) error {
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    l.AddObject,
		UpdateFunc: func(_, object any) { l.AddObject(object) },
		DeleteFunc: l.AddObject,
	})
	return err
}

// Run works with that many workers until ctx ends.
func (l *Loop) Run(ctx context.Context, workers int) {
	var group sync.WaitGroup
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for l.next(ctx) {
			}
		}()
	}
	<-ctx.Done()
	l.queue.ShutDown()
	group.Wait()
}

func (l *Loop) next(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	if err := l.reconcile(ctx, key); err != nil {
		log.Printf("%s: %s: %v", l.name, key, err)
		l.queue.AddRateLimited(key)
		return true
	}
	l.queue.Forget(key)
	return true
}
