package syncer

import (
	"context"
	"fmt"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"lab/internal/played/config"
	"lab/internal/played/kube"
)

var triggers = schema.GroupVersionResource{
	Group: "cns.vmware.com", Version: "v1alpha1", Resource: "triggercsifullsyncs",
}

// triggerName is the one instance that the driver listens to.
const triggerName = "csifullsync"

// trigger runs full syncs: on request, at the start, and at every interval. The periodic ones are
// requests too, so a wrong request that is left standing stops them as well.
type trigger struct {
	syncer  *syncer
	objects dynamic.ResourceInterface
	loop    *kube.Loop
}

func newTrigger(s *syncer) *trigger {
	t := &trigger{syncer: s, objects: s.cluster.Dynamic.Resource(triggers)}
	t.loop = kube.NewLoop("full sync", s.delays.Of(config.Retry), s.delays.Of(config.RetryMax), t.reconcile)
	return t
}

// prepare makes the instance if there is none and forgets a sync that an earlier process left unfinished.
func (t *trigger) prepare(ctx context.Context) error {
	instance := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": triggers.GroupVersion().String(),
		"kind":       "TriggerCsiFullSync",
		"metadata":   map[string]any{"name": triggerName},
		"spec":       map[string]any{"triggerSyncID": int64(0)},
		"status":     map[string]any{"inProgress": false, "lastTriggerSyncID": int64(0)},
	}}
	_, err := t.objects.Create(ctx, instance, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = t.change(ctx, func(status map[string]any) { status["inProgress"] = false })
	}
	if err != nil {
		return err
	}
	return t.loop.Watch(t.syncer.cluster.DynamicInformers.ForResource(triggers).Informer())
}

func (t *trigger) run(ctx context.Context) {
	go t.periodically(ctx)
	t.loop.Run(ctx, 1)
}

func (t *trigger) periodically(ctx context.Context) {
	for {
		if err := t.request(ctx); err != nil {
			log.Printf("full sync: %v", err)
		}
		if !kube.Sleep(ctx, t.syncer.delays.Of(config.FullSyncInterval)) {
			return
		}
	}
}

// request asks for one sync, unless a request is standing.
func (t *trigger) request(ctx context.Context) error {
	instance, err := t.objects.Get(ctx, triggerName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if asked, last := ids(instance); asked != last {
		return fmt.Errorf("triggerSyncID %d was already triggered (last was %d). Ignoring", asked, last)
	}
	_, last := ids(instance)
	if err := unstructured.SetNestedField(instance.Object, last+1, "spec", "triggerSyncID"); err != nil {
		return err
	}
	_, err = t.objects.Update(ctx, instance, metav1.UpdateOptions{})
	return err
}

func ids(instance *unstructured.Unstructured) (asked, last int64) {
	asked, _, _ = unstructured.NestedInt64(instance.Object, "spec", "triggerSyncID")
	last, _, _ = unstructured.NestedInt64(instance.Object, "status", "lastTriggerSyncID")
	return asked, last
}

// request as the driver judges it.
type request int

const (
	stale request = iota
	invalid
	valid
)

func judge(asked, last int64) request {
	switch {
	case asked == 0 || asked == last:
		return stale
	case asked != last+1:
		return invalid
	}
	return valid
}

func (t *trigger) reconcile(ctx context.Context, name string) error {
	instance, err := t.objects.Get(ctx, name, metav1.GetOptions{})
	if err != nil || name != triggerName {
		return err
	}
	asked, last := ids(instance)
	switch judge(asked, last) {
	case stale:
		return nil
	case invalid:
		t.warn(instance, fmt.Sprintf(
			"TriggerSyncID: %d is invalid. TriggerSyncID should be one greater than LastTriggerSyncID.", asked))
		return nil
	}
	return t.sync(ctx, asked)
}

func (t *trigger) sync(ctx context.Context, asked int64) error {
	_, err := t.change(ctx, func(status map[string]any) {
		status["inProgress"], status["lastTriggerSyncID"] = true, asked
	})
	if err != nil {
		return err
	}
	started := time.Now()
	failure := t.syncer.fullSync(ctx)
	instance, err := t.change(ctx, func(status map[string]any) { finish(status, started, time.Now(), failure) })
	if err != nil {
		return err
	}
	if failure != nil {
		t.warn(instance, fmt.Sprintf("Full sync failed for triggerSyncID: %d with error: %v", asked, failure))
		return nil
	}
	t.syncer.recorder.Event(instance, corev1.EventTypeNormal, "TriggerCsiFullSyncSucceeded",
		fmt.Sprintf("Full sync successful with triggerSyncID: %d", asked))
	return nil
}

func (t *trigger) warn(instance *unstructured.Unstructured, message string) {
	log.Print(message)
	t.syncer.recorder.Event(instance, corev1.EventTypeWarning, "TriggerCsiFullSyncFailed", message)
}

func finish(status map[string]any, started, ended time.Time, failure error) {
	start, end := started.UTC().Format(time.RFC3339), ended.UTC().Format(time.RFC3339)
	status["inProgress"] = false
	status["lastRunStartTimeStamp"], status["lastRunEndTimeStamp"] = start, end
	if failure != nil {
		status["error"] = failure.Error()
		return
	}
	delete(status, "error")
	status["lastSuccessfulStartTimeStamp"], status["lastSuccessfulEndTimeStamp"] = start, end
}

func (t *trigger) change(ctx context.Context, edit func(map[string]any)) (*unstructured.Unstructured, error) {
	var changed *unstructured.Unstructured
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		instance, err := t.objects.Get(ctx, triggerName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status, _, err := unstructured.NestedMap(instance.Object, "status")
		if err != nil {
			return err
		}
		if status == nil {
			status = map[string]any{"inProgress": false, "lastTriggerSyncID": int64(0)}
		}
		edit(status)
		instance.Object["status"] = status
		changed, err = t.objects.Update(ctx, instance, metav1.UpdateOptions{})
		return err
	})
	return changed, err
}
