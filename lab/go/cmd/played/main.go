// Command played plays the parts of a cluster with the vSphere CSI driver that no package registry ships.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"lab/internal/played/attacher"
	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/kubelet"
	"lab/internal/played/provisioner"
	"lab/internal/played/resizer"
	"lab/internal/played/syncer"
	"lab/internal/played/vcenter"
)

type part func(context.Context, *config.Config, *kube.Cluster, *vcenter.VCenter) error

var parts = map[string]part{
	attacher.Part:    attacher.Run,
	provisioner.Part: withResizer,
	syncer.Part:      syncer.Run,
	kubelet.Part: func(ctx context.Context, c *config.Config, cluster *kube.Cluster, _ *vcenter.VCenter) error {
		return kubelet.Run(ctx, c, cluster)
	},
}

// withResizer runs the resizer beside the provisioner, whose informers it shares.
func withResizer(ctx context.Context, c *config.Config, cluster *kube.Cluster, vc *vcenter.VCenter) error {
	go func() {
		if err := resizer.Run(ctx, c, cluster, vc); err != nil {
			log.Fatalf("%s: %v", resizer.Part, err)
		}
	}()
	return provisioner.Run(ctx, c, cluster, vc)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log.SetFlags(log.LstdFlags | log.Lmicroseconds | log.LUTC)
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || parts[args[0]] == nil {
		return fmt.Errorf("usage: played %s --config FILE", strings.Join(names(), "|"))
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	path := flags.String("config", "", "configuration file (JSON)")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return play(ctx, args[0], *path)
}

func play(ctx context.Context, name, path string) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	kubeconfig, err := c.KubeconfigOf(name)
	if err != nil {
		return err
	}
	cluster, err := kube.Connect(kubeconfig)
	if err != nil {
		return err
	}
	vc, err := vcenter.New(c.VCenter, c.ClusterID)
	if err != nil {
		return err
	}
	return parts[name](ctx, c, cluster, vc)
}

func names() []string {
	var names []string
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
