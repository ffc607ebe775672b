package kubelet

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"time"
)

// errBroken is returned for a disk whose records do not follow from one another.
var errBroken = errors.New("the chain of records is broken")

// link is where a chain of records ends: the number and the checksum of its last one.
type link struct {
	number   int
	checksum string
}

// writer is what a record tells about who wrote it.
type writer struct {
	node, podUID, volume string
}

// next makes the record that follows, and the end of the chain with it.
func (l link) next(w writer, at time.Time) (line string, end link) {
	text := fmt.Sprintf("%d %s %s %s %d", l.number+1, w.node, w.podUID, w.volume, at.UnixMilli())
	end = link{l.number + 1, checksum(l.checksum, text)}
	return text + " " + end.checksum + "\n", end
}

// checksum covers the record before as well, so that none can be lost in between.
func checksum(previous, text string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(previous+" "+text)))
}

// readChain checks every record on the disk and returns the end of the chain.
func readChain(disk io.Reader) (link, error) {
	var end link
	lines := bufio.NewReader(disk)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return end, nil
		}
		if err != nil && err != io.EOF {
			return link{}, err
		}
		if end, err = end.follow(line); err != nil {
			return link{}, err
		}
	}
}

// follow checks that the line is the record after l.
func (l link) follow(line string) (link, error) {
	record, complete := strings.CutSuffix(line, "\n")
	text, found, _ := cutLast(record, " ")
	number, _, _ := strings.Cut(text, " ")
	if !complete || number != strconv.Itoa(l.number+1) || found != checksum(l.checksum, text) {
		return link{}, fmt.Errorf("%w after record %d: %.120q", errBroken, l.number, line)
	}
	return link{l.number + 1, found}, nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	at := strings.LastIndex(s, separator)
	if at < 0 {
		return "", s, false
	}
	return s[:at], s[at+len(separator):], true
}
