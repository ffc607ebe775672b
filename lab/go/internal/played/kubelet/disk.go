package kubelet

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Why a container cannot run on its volume. The first word is the reason in its status.
var (
	errLocked  = errors.New("VolumeLocked: another writer holds the volume")
	errCorrupt = errors.New("VolumeCorrupt")
	errIO      = errors.New("VolumeIOError: the device is gone")
)

// disk is an attached volume that a container writes to.
type disk struct {
	volume   volume
	writer   writer
	device   string
	evidence evidence
	file     *os.File
	ledger   *os.File
	end      link
}

// openDisk locks the device's file, checks everything on it, and reports what must not be.
func openDisk(device string, v volume, w writer, e evidence) (*disk, error) {
	file, err := os.OpenFile(device, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	d := &disk{volume: v, writer: w, device: device, evidence: e, file: file}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *disk) prepare() error {
	if err := syscall.Flock(int(d.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(errLocked, d.report(secondWriters, err))
	}
	end, err := readChain(d.file)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", errCorrupt, err), d.report(corrupt, err))
	}
	d.end = end
	d.ledger, err = d.evidence.ledger(d.volume.namespace, d.volume.claim)
	return err
}

// append writes one record and, once that is acknowledged, a copy of it to the ledger.
func (d *disk) append() error {
	if _, err := os.Lstat(d.device); err != nil {
		return errors.Join(errIO, d.report(ioErrors, err))
	}
	line, end := d.end.next(d.writer, time.Now())
	if _, err := d.file.WriteString(line); err != nil {
		return errors.Join(errIO, d.report(ioErrors, err))
	}
	d.end = end
	_, err := d.ledger.WriteString(line)
	return err
}

func (d *disk) report(log string, what error) error {
	return d.evidence.report(log, d.writer.node, d.writer.podUID, d.writer.volume,
		d.volume.namespace+"/"+d.volume.claim, d.device, what.Error())
}

// close drops the lock.
func (d *disk) close() error {
	err := d.file.Close()
	if d.ledger != nil {
		err = errors.Join(err, d.ledger.Close())
	}
	return err
}
