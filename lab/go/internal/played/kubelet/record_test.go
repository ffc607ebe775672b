package kubelet

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var someone = writer{"node-1", "uid", "pv"}

func chainOf(records int) (string, link) {
	var disk strings.Builder
	var end link
	for range records {
		var line string
		line, end = end.next(someone, time.UnixMilli(1000))
		disk.WriteString(line)
	}
	return disk.String(), end
}

func TestFirstRecordIsChecksummedOverNothingBefore(t *testing.T) {
	line, _ := link{}.next(someone, time.UnixMilli(1000))
	// zlib.crc32(b" 1 node-1 uid pv 1000") in Python
	if want := "1 node-1 uid pv 1000 " + checksum("", "1 node-1 uid pv 1000") + "\n"; line != want {
		t.Errorf("got %q, want %q", line, want)
	}
	if got := checksum("", "1 node-1 uid pv 1000"); got != "3fd23b99" {
		t.Errorf("checksum %s", got)
	}
}

func TestReadingAChainReturnsItsEnd(t *testing.T) {
	for _, records := range []int{0, 1, 7} {
		disk, end := chainOf(records)
		if got, err := readChain(strings.NewReader(disk)); err != nil || got != end {
			t.Errorf("%d records: got %v, %v, want %v", records, got, err, end)
		}
	}
}

func TestABrokenChainIsSeen(t *testing.T) {
	disk, _ := chainOf(3)
	lines := strings.SplitAfter(disk, "\n")
	broken := map[string]string{
		"lost record":      lines[0] + lines[2],
		"lost first":       lines[1] + lines[2],
		"repeated record":  lines[0] + lines[0],
		"half a record":    disk[:len(disk)-3],
		"changed byte":     strings.Replace(disk, "node-1", "node-2", 1),
		"rubbish":          disk + "rubbish\n",
		"empty line":       disk + "\n",
		"zeros at the end": disk + "\x00\x00\x00",
	}
	for what, content := range broken {
		if _, err := readChain(strings.NewReader(content)); !errors.Is(err, errBroken) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
