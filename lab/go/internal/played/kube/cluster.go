// Package kube is what the played parts share of Kubernetes: clients, informers, work queues, names.
package kube

import (
	"context"
	"fmt"
	"log"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
)

// Cluster holds the clients of one identity and the informers that hang on them.
type Cluster struct {
	Client           kubernetes.Interface
	Dynamic          dynamic.Interface
	Informers        informers.SharedInformerFactory
	DynamicInformers dynamicinformer.DynamicSharedInformerFactory
}

// Connect makes the clients; nothing is sent yet.
func Connect(kubeconfig string) (*Cluster, error) {
	rest, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	rest.QPS, rest.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfig(rest)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		Client:           client,
		Dynamic:          dyn,
		Informers:        informers.NewSharedInformerFactory(client, 0),
		DynamicInformers: dynamicinformer.NewDynamicSharedInformerFactory(dyn, 0),
	}, nil
}

// Start runs the informers and returns once every cache is filled.
func (c *Cluster) Start(ctx context.Context) error {
	c.Informers.Start(ctx.Done())
	c.DynamicInformers.Start(ctx.Done())
	for kind, synced := range c.Informers.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("informer of %v did not sync", kind)
		}
	}
	for kind, synced := range c.DynamicInformers.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("informer of %v did not sync", kind)
		}
	}
	return nil
}

// Recorder writes events under the name of that component until ctx ends.
func (c *Cluster) Recorder(ctx context.Context, component string) record.EventRecorder {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: c.Client.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component})
}

// Ready tells whoever started the part that its informers are synced.
func Ready(part string) {
	fmt.Println("ready")
	log.Printf("%s is ready", part)
}
