package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// evidence is the folder that tells, in the end, what became of the data.
type evidence string

// Logs with one line for each thing that must never happen.
const (
	secondWriters = "second-writers.log"
	ioErrors      = "io-errors.log"
	corrupt       = "corrupt.log"
)

func (e evidence) report(log string, what ...string) error {
	line := time.Now().UTC().Format(time.RFC3339Nano) + " " + strings.Join(what, " ") + "\n"
	return appendTo(filepath.Join(string(e), log), line)
}

// ledger opens the list of the claim's acknowledged records.
func (e evidence) ledger(namespace, claim string) (*os.File, error) {
	path := filepath.Join(string(e), "records", namespace, claim)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

func appendTo(path, line string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(line); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return file.Close()
}
