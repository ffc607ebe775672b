// Package vcenter holds the calls that the vSphere CSI driver and its syncer make.
package vcenter

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/cns"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"lab/internal/played/config"
)

// answerWithin bounds one call and its task, so that a vCenter that hangs cannot hang a part for good.
const answerWithin = 2 * time.Minute

// VCenter logs in when first needed, and again after the vCenter forgot the session.
type VCenter struct {
	config    config.VCenter
	clusterID string
	url       *url.URL

	mutex   sync.Mutex
	current *login
}

// login is one session with what hangs on it.
type login struct {
	vim        *vim25.Client
	cns        *cns.Client
	datacenter *object.Datacenter
	finder     *find.Finder
}

// New checks the URL; nothing is sent yet.
func New(c config.VCenter, clusterID string) (*VCenter, error) {
	u, err := soap.ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	return &VCenter{config: c, clusterID: clusterID, url: u}, nil
}

// Host is the vCenter's name in messages and in disk URLs.
func (v *VCenter) Host() string { return v.url.Host }

// do calls once, and a second time with a new session if the first call was not authenticated.
func (v *VCenter) do(ctx context.Context, call func(context.Context, *login) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := v.once(ctx, call)
	if fault.Is(err, &types.NotAuthenticated{}) {
		v.forget()
		err = v.once(ctx, call)
	}
	return err
}

func (v *VCenter) once(ctx context.Context, call func(context.Context, *login) error) error {
	l, err := v.login(ctx)
	if err != nil {
		return err
	}
	return call(ctx, l)
}

func (v *VCenter) forget() {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.current = nil
}

func (v *VCenter) login(ctx context.Context) (*login, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.current != nil {
		return v.current, nil
	}
	l, err := v.newLogin(ctx)
	if err != nil {
		return nil, err
	}
	v.current = l
	return l, nil
}

func (v *VCenter) newLogin(ctx context.Context) (*login, error) {
	transport := soap.NewClient(v.url, false)
	if err := transport.SetRootCAs(v.config.CA); err != nil {
		return nil, err
	}
	vim, err := vim25.NewClient(ctx, transport)
	if err != nil {
		return nil, err
	}
	client := govmomi.Client{Client: vim, SessionManager: session.NewManager(vim)}
	if err := client.Login(ctx, url.UserPassword(v.config.User, v.config.Password)); err != nil {
		return nil, err
	}
	volumes, err := cns.NewClient(ctx, vim)
	if err != nil {
		return nil, err
	}
	finder := find.NewFinder(vim, false)
	datacenter, err := finder.Datacenter(ctx, v.config.Datacenter)
	if err != nil {
		return nil, err
	}
	return &login{vim: vim, cns: volumes, datacenter: datacenter, finder: finder.SetDatacenter(datacenter)}, nil
}
