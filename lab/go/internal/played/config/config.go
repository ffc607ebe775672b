// Package config reads the one file that every played part is given.
package config

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// VCenter says where the vCenter is and as whom to log in.
type VCenter struct {
	URL              string `json:"url"`
	User             string `json:"user"`
	Password         string `json:"password"`
	CA               string `json:"ca"`
	Datacenter       string `json:"datacenter"`
	DefaultDatastore string `json:"default_datastore"`
}

// Node is one worker node and the virtual machine behind it.
type Node struct {
	Name   string `json:"name"`
	UUID   string `json:"uuid"`
	Zone   string `json:"zone"`
	Region string `json:"region"`
}

// Config is the file given with --config.
type Config struct {
	Cluster    string            `json:"cluster"`
	Kubeconfig map[string]string `json:"kubeconfig"`
	VCenter    VCenter           `json:"vcenter"`
	ClusterID  string            `json:"cluster_id"`
	State      string            `json:"state"`
	Evidence   string            `json:"evidence"`
	Nodes      []Node            `json:"nodes"`
	Delays     Delays            `json:"delays"`
}

// Delays maps a delay's name to seconds.
type Delays map[string]float64

// Names of the delays; values in the table below are used where the file has none.
const (
	PodStart          = "pod_start"
	PodStop           = "pod_stop"
	Unmount           = "unmount"
	RecordInterval    = "record_interval"
	Restart           = "restart"
	Syncer            = "syncer"
	FullSyncInterval  = "full_sync_interval"
	ClaimMetadata     = "claim_metadata"
	Retry             = "retry"
	RetryMax          = "retry_max"
	AttacherReconcile = "attacher_reconcile"
)

var defaults = Delays{
	PodStart:       0.5,
	PodStop:        0.3,
	Unmount:        0.2,
	RecordInterval: 0.05,
	Restart:        1,
	Syncer:         0.05,
	// The driver's FULL_SYNC_INTERVAL_MINUTES and the wait before it writes a claim's metadata.
	FullSyncInterval: 1800,
	ClaimMetadata:    5,
	// --retry-interval-start, --retry-interval-max and --reconcile-sync of the sidecars.
	Retry:             1,
	RetryMax:          300,
	AttacherReconcile: 60,
}

// Of returns the delay of that name.
func (d Delays) Of(name string) time.Duration {
	seconds, given := d[name]
	if !given {
		seconds = defaults[name]
	}
	return time.Duration(seconds * float64(time.Second))
}

// Load reads the file and fails on what no part could do without.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for name := range c.Delays {
		if _, known := defaults[name]; !known {
			return nil, fmt.Errorf("%s: there is no delay %q", path, name)
		}
	}
	return &c, nil
}

// KubeconfigOf returns the kubeconfig that the part of that name has to use.
func (c *Config) KubeconfigOf(part string) (string, error) {
	path, given := c.Kubeconfig[part]
	if !given {
		return "", fmt.Errorf("no kubeconfig for %s", part)
	}
	return path, nil
}
