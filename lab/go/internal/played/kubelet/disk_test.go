package kubelet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type bench struct {
	flat, device string
	evidence     evidence
}

func newBench(t *testing.T) bench {
	t.Helper()
	folder := t.TempDir()
	b := bench{filepath.Join(folder, "x-flat.vmdk"), filepath.Join(folder, "device"), evidence(folder)}
	if err := os.WriteFile(b.flat, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(b.flat, b.device); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bench) open() (*disk, error) {
	return openDisk(b.device, volume{namespace: "ns", claim: "data-web-0", name: "pv"}, someone, b.evidence)
}

func (b bench) mustOpen(t *testing.T) *disk {
	t.Helper()
	d, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (b bench) lines(t *testing.T, name string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(string(b.evidence), name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

func TestRecordsGoOnWhereTheLastWriterStopped(t *testing.T) {
	b := newBench(t)
	for range 2 {
		d := b.mustOpen(t)
		if err := errors.Join(d.append(), d.append(), d.close()); err != nil {
			t.Fatal(err)
		}
	}
	onDisk, _ := os.ReadFile(b.flat)
	ledger, _ := os.ReadFile(filepath.Join(string(b.evidence), "records/ns/data-web-0"))
	if string(onDisk) != string(ledger) || b.lines(t, "x-flat.vmdk") != 4 {
		t.Errorf("disk %q, ledger %q", onDisk, ledger)
	}
}

func TestASecondWriterIsRefusedAndReported(t *testing.T) {
	b := newBench(t)
	first := b.mustOpen(t)
	if _, err := b.open(); !errors.Is(err, errLocked) {
		t.Errorf("got %v", err)
	}
	if b.lines(t, secondWriters) != 1 {
		t.Error("not reported")
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(); err != nil {
		t.Errorf("after the first one: %v", err)
	}
}

func TestACorruptDiskIsReported(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(b.flat, []byte("rubbish\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(); !errors.Is(err, errCorrupt) || b.lines(t, corrupt) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestAPulledDeviceIsAnIOError(t *testing.T) {
	b := newBench(t)
	d := b.mustOpen(t)
	if err := os.Remove(b.device); err != nil {
		t.Fatal(err)
	}
	if err := d.append(); !errors.Is(err, errIO) || b.lines(t, ioErrors) != 1 {
		t.Errorf("got %v", err)
	}
	if b.lines(t, "x-flat.vmdk") != 0 {
		t.Error("something was written")
	}
}
