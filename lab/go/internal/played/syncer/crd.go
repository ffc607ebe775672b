package syncer

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"lab/internal/played/migration"
)

var crds = schema.GroupVersionResource{
	Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
}

// The driver's definitions (pkg/apis/migration/config, pkg/internalapis/cnsoperator/config) have no
// status subresource either: whoever may write spec may write status.
var definitions = []definition{
	{
		kind:     "CnsVSphereVolumeMigration",
		plural:   migration.Resource.Resource,
		singular: "cnsvspherevolumemigration",
		spec: object(map[string]any{
			"volumeid":                  typed("string"),
			"volumepath":                typed("string"),
			"protectvolumefromvmdelete": typed("boolean"),
		}, "volumeid", "volumepath"),
	},
	{
		kind:     "TriggerCsiFullSync",
		plural:   triggers.Resource,
		singular: "triggercsifullsync",
		spec:     object(map[string]any{"triggerSyncID": typed("integer")}, "triggerSyncID"),
		status: object(map[string]any{
			"inProgress":                   typed("boolean"),
			"lastTriggerSyncID":            typed("integer"),
			"lastSuccessfulStartTimeStamp": timestamp(),
			"lastSuccessfulEndTimeStamp":   timestamp(),
			"lastRunStartTimeStamp":        timestamp(),
			"lastRunEndTimeStamp":          timestamp(),
			"error":                        typed("string"),
		}, "inProgress", "lastTriggerSyncID"),
	},
}

type definition struct {
	kind, plural, singular string
	spec, status           map[string]any
}

func typed(name string) map[string]any { return map[string]any{"type": name} }

func timestamp() map[string]any { return map[string]any{"type": "string", "format": "date-time"} }

func object(properties map[string]any, required ...any) map[string]any {
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (d definition) name() string { return d.plural + ".cns.vmware.com" }

func (d definition) manifest() *unstructured.Unstructured {
	properties := map[string]any{"spec": d.spec}
	if d.status != nil {
		properties["status"] = d.status
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": d.name()},
		"spec": map[string]any{
			"group": "cns.vmware.com",
			"scope": "Cluster",
			"names": map[string]any{
				"kind": d.kind, "listKind": d.kind + "List", "plural": d.plural, "singular": d.singular,
			},
			"versions": []any{map[string]any{
				"name": "v1alpha1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": object(properties)},
			}},
		},
	}}
}

// install creates the definitions that are missing and waits until the API server serves them.
func install(ctx context.Context, client dynamic.Interface) error {
	for _, d := range definitions {
		_, err := client.Resource(crds).Create(ctx, d.manifest(), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	for _, d := range definitions {
		if err := waitEstablished(ctx, client, d.plural); err != nil {
			return fmt.Errorf("%s: %w", d.name(), err)
		}
	}
	return nil
}

func waitEstablished(ctx context.Context, client dynamic.Interface, plural string) error {
	resource := schema.GroupVersionResource{Group: "cns.vmware.com", Version: "v1alpha1", Resource: plural}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true,
		func(ctx context.Context) (bool, error) {
			_, err := client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		})
}
