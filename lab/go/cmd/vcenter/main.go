// Command vcenter is the lab's vCenter. It prints one line `ready URL` once it
// serves, and stops on SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"lab/internal/vcenter"
)

func main() {
	path := flag.String("config", "", "configuration, a JSON file")
	flag.Parse()
	if err := run(*path); err != nil {
		log.Fatal(err)
	}
}

func run(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := vcenter.LoadConfig(path)
	if err != nil {
		return err
	}
	v, err := vcenter.New(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return errors.Join(err, v.Close())
	}
	server := &http.Server{Handler: v.Handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- server.Close()
	}()
	fmt.Printf("ready https://%s\n", listener.Addr())
	if err := server.ServeTLS(listener, config.Certificate, config.Key); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, v.Close())
	}
	return errors.Join(<-stopped, v.Close())
}
