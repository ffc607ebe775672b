package vcenter

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"sync"
	"time"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// call is one line of the audit. A method that returns a task is written when
// the task has ended, with the task's fault.
type call struct {
	Time      string         `json:"time"`
	User      string         `json:"user"`
	Method    string         `json:"method"`
	Object    string         `json:"object"`
	Summary   map[string]any `json:"summary"`
	Fault     string         `json:"fault"`
	Destroyed []string       `json:"destroyed"`
}

// audit stands before the SOAP service and writes every call to a file.
type audit struct {
	vcenter *VCenter
	pending sync.WaitGroup

	mutex    sync.Mutex
	file     *os.File
	sessions map[string]string // user names by session key
}

func newAudit(path string, v *VCenter) (*audit, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &audit{vcenter: v, file: file, sessions: map[string]string{}}, nil
}

func (a *audit) close() error {
	a.pending.Wait()
	return a.file.Close()
}

// ServeHTTP passes a call on, and answers once it is written down.
func (a *audit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	entry, method := a.begin(r, body)
	reply := a.serve(r, body)
	a.noteLogin(method, reply)
	a.end(entry, reply)
	reply.copyTo(w)
}

func (a *audit) begin(r *http.Request, body []byte) (call, *simulator.Method) {
	entry := call{Time: time.Now().UTC().Format(time.RFC3339Nano), User: a.user(r), Destroyed: []string{}}
	method, err := simulator.UnmarshalBody(typeOf, body)
	if err != nil {
		entry.Summary = map[string]any{"unreadable": err.Error()}
		return entry, nil
	}
	entry.Method, entry.Object, entry.Summary = method.Name, method.This.String(), summarize(method.Body)
	if login, ok := method.Body.(*types.Login); ok {
		entry.User = login.UserName
	}
	return entry, method
}

func typeOf(name string) (reflect.Type, bool) {
	if kind, ok := types.TypeFunc()("vsan:" + name); ok {
		return kind, true
	}
	return types.TypeFunc()(name)
}

// serve calls the simulator. Its Fetch of the ServiceContent, a favour to an old
// client, leaves out the VStorageObjectManager: RetrieveServiceContent does not.
func (a *audit) serve(r *http.Request, body []byte) *reply {
	fetch := fetchContent.Match(body)
	if fetch {
		body = []byte(retrieveContent)
	}
	inner := r.Clone(r.Context())
	inner.Body = io.NopCloser(bytes.NewReader(body))
	answer := &reply{header: http.Header{}, status: http.StatusOK}
	a.vcenter.service.ServeSDK(answer, inner)
	if fetch {
		answer.rename("RetrieveServiceContentResponse", "FetchResponse")
	}
	return answer
}

var fetchContent = regexp.MustCompile(`<(\w+:)?Fetch[ >][\s\S]*ServiceInstance</[\s\S]*>content</`)

const retrieveContent = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>` +
	`<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></RetrieveServiceContent>` +
	`</Body></Envelope>`

func (a *audit) user(r *http.Request) string {
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return ""
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.sessions[cookie.Value]
}

func (a *audit) noteLogin(method *simulator.Method, reply *reply) {
	if method == nil || reply.status != http.StatusOK {
		return
	}
	login, ok := method.Body.(*types.Login)
	if !ok {
		return
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, cookie := range (&http.Response{Header: reply.header}).Cookies() {
		a.sessions[cookie.Value] = login.UserName
	}
}

var (
	faultType    = regexp.MustCompile(`<detail><\w+ [^>]*xsi:type="(\w+)"`)
	returnedTask = regexp.MustCompile(`<returnval type="Task">([^<]+)</returnval>`)
)

func (a *audit) end(entry call, reply *reply) {
	if found := faultType.FindSubmatch(reply.body.Bytes()); found != nil {
		entry.Fault = string(found[1])
	}
	task := returnedTask.FindSubmatch(reply.body.Bytes())
	if task == nil {
		a.write(entry)
		return
	}
	a.pending.Add(1)
	go func() {
		defer a.pending.Done()
		a.endTask(entry, types.ManagedObjectReference{Type: "Task", Value: string(task[1])})
	}()
}

func (a *audit) endTask(entry call, ref types.ManagedObjectReference) {
	task := a.vcenter.registry.Get(ref).(*simulator.Task)
	task.Wait()
	a.vcenter.registry.WithLock(&simulator.Context{}, task, func() { entry.Fault = taskFault(task.Info) })
	entry.Destroyed = append(entry.Destroyed, a.vcenter.catalog.takeDestroyed(ref)...)
	a.write(entry)
}

// taskFault is a task's own fault or, of CNS's tasks that always succeed, that
// of the volume.
func taskFault(info types.TaskInfo) string {
	if info.Error != nil {
		return typeName(info.Error.Fault)
	}
	if batch, ok := info.Result.(*cnstypes.CnsVolumeOperationBatchResult); ok {
		for _, result := range batch.VolumeResults {
			if fault := result.GetCnsVolumeOperationResult().Fault; fault != nil {
				return typeName(fault.Fault)
			}
		}
	}
	return ""
}

func typeName(fault types.BaseMethodFault) string {
	return reflect.TypeOf(fault).Elem().Name()
}

func (a *audit) write(entry call) {
	line, err := json.Marshal(entry)
	if err != nil {
		log.Panicf("audit: %v", err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if _, err := a.file.Write(append(line, '\n')); err != nil {
		log.Panicf("audit: %v", err)
	}
}

// reply holds a response back until the call is written down.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header            { return r.header }
func (r *reply) WriteHeader(status int)         { r.status = status }
func (r *reply) Write(data []byte) (int, error) { return r.body.Write(data) }

func (r *reply) rename(from, to string) {
	renamed := bytes.ReplaceAll(r.body.Bytes(), []byte(from), []byte(to))
	r.body = *bytes.NewBuffer(renamed)
}

func (r *reply) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	if _, err := w.Write(r.body.Bytes()); err != nil {
		log.Printf("the client went away: %v", err)
	}
}
