// Package migration keeps the CnsVSphereVolumeMigration objects, the driver's memory of which FCD an
// in-tree volume path is.
package migration

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Resource is where the objects live.
var Resource = schema.GroupVersionResource{
	Group: "cns.vmware.com", Version: "v1alpha1", Resource: "cnsvspherevolumemigrations",
}

// ErrNotRegistered is returned when no object names the path.
var ErrNotRegistered = errors.New("no CnsVSphereVolumeMigration names that path")

// Store reads the objects afresh each time, so that all parts agree.
type Store struct {
	objects dynamic.ResourceInterface
}

// NewStore makes a store of the cluster's objects.
func NewStore(client dynamic.Interface) *Store {
	return &Store{client.Resource(Resource)}
}

// Paths maps the FCD ids that have an object to their volume paths.
func (s *Store) Paths(ctx context.Context) (map[string]string, error) {
	list, err := s.objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, object := range list.Items {
		id, _, _ := unstructured.NestedString(object.Object, "spec", "volumeid")
		path, _, _ := unstructured.NestedString(object.Object, "spec", "volumepath")
		paths[id] = path
	}
	return paths, nil
}

// VolumeID returns the FCD id of that path, or ErrNotRegistered.
func (s *Store) VolumeID(ctx context.Context, path string) (string, error) {
	paths, err := s.Paths(ctx)
	if err != nil {
		return "", err
	}
	for id, known := range paths {
		if known == path {
			return id, nil
		}
	}
	return "", ErrNotRegistered
}

// ControllerVolumeID is VolumeID with the words of the driver's controller, which never registers itself.
func (s *Store) ControllerVolumeID(ctx context.Context, path string) (string, error) {
	id, err := s.VolumeID(ctx, path)
	if err != nil {
		return "", fmt.Errorf("rpc error: code = Internal desc = failed to get VolumeID from "+
			"volumeMigrationService for volumePath: %q: %w", path, err)
	}
	return id, nil
}

// Save makes the object of an FCD; one that exists already is left alone.
func (s *Store) Save(ctx context.Context, id, path string) error {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": Resource.GroupVersion().String(),
		"kind":       "CnsVSphereVolumeMigration",
		"metadata":   map[string]any{"name": id},
		"spec":       map[string]any{"volumeid": id, "volumepath": path, "protectvolumefromvmdelete": true},
	}}
	_, err := s.objects.Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Delete removes the object of an FCD; none is fine.
func (s *Store) Delete(ctx context.Context, id string) error {
	err := s.objects.Delete(ctx, id, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
