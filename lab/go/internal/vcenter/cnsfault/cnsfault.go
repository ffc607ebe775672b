// Package cnsfault has CNS's faults in the form that a vCenter sends them, and
// that govmomi v0.52 lacks or sends differently. Importing it lets a client
// decode CnsNotRegisteredFault.
package cnsfault

import (
	"reflect"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/types"
)

// CnsNotRegisteredFault says that a disk is not a CNS volume (any more).
type CnsNotRegisteredFault struct {
	cnstypes.CnsFault

	VolumeId cnstypes.CnsVolumeId `xml:"volumeId"`
}

// CnsAlreadyRegisteredFault says that a disk is a CNS volume already, and which.
type CnsAlreadyRegisteredFault struct {
	cnstypes.CnsFault

	VolumeId cnstypes.CnsVolumeId `xml:"volumeId"`
}

func init() {
	types.Add("CnsNotRegisteredFault", reflect.TypeFor[CnsNotRegisteredFault]())
}
