package vcenter

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/cns"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	_ "lab/internal/vcenter/cnsfault" // so that CnsNotRegisteredFault is decoded
)

// Fault is the refusal of one volume's operation.
type Fault struct {
	operation string
	localized types.LocalizedMethodFault
}

// Error names operation and fault type, for CNS often leaves the message empty.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s: %s: %s", f.operation, typeName(f.localized.Fault), f.localized.LocalizedMessage)
}

// Fault lets govmomi's fault package look inside.
func (f *Fault) Fault() types.BaseMethodFault { return f.localized.Fault }

func typeName(f types.BaseMethodFault) string {
	if f == nil {
		return "fault without a type"
	}
	return reflect.Indirect(reflect.ValueOf(f)).Type().Name()
}

// alreadyRegistered returns the id that a CNS create was refused with because the disk has it already.
func alreadyRegistered(err error) (string, bool) {
	var known *cnstypes.CnsAlreadyRegisteredFault
	if _, is := fault.As(err, &known); !is || known.VolumeId.Id == "" {
		return "", false
	}
	return known.VolumeId.Id, true
}

// result waits for a CNS task that works on a single volume and returns what became of that volume.
func result(ctx context.Context, operation string, task *object.Task, err error) (cnstypes.BaseCnsVolumeOperationResult, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return nil, taskFault(operation, err)
	}
	one, err := cns.GetTaskResult(ctx, info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	if f := one.GetCnsVolumeOperationResult().Fault; f != nil {
		return nil, &Fault{operation, *f}
	}
	return one, nil
}

// taskFault gives a failed task's fault the same form as a failed volume's.
func taskFault(operation string, err error) error {
	var failed interface{ Fault() types.BaseMethodFault }
	if errors.As(err, &failed) {
		return &Fault{operation, types.LocalizedMethodFault{Fault: failed.Fault(), LocalizedMessage: err.Error()}}
	}
	return fmt.Errorf("%s: %w", operation, err)
}
