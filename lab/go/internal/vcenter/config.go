// Package vcenter is the lab's vCenter: govmomi's simulator, closed where it is
// kinder than a real 8.0 in what a migration of volumes depends on.
package vcenter

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config says what the vCenter holds and who may use it.
type Config struct {
	Listen      string   `json:"listen"`
	Certificate string   `json:"certificate"`
	Key         string   `json:"key"`
	State       string   `json:"state"`
	APIVersion  string   `json:"api_version"`
	Version     string   `json:"version"`
	Users       []User   `json:"users"`
	Folder      string   `json:"folder"`
	Datacenter  string   `json:"datacenter"`
	Datastores  []string `json:"datastores"`
	Nodes       []Node   `json:"nodes"`
	Delays      Delays   `json:"delays"`
}

// Node is one node VM.
type Node struct {
	Name string `json:"name"`
	UUID string `json:"uuid"`
}

// User is an account; the role Admin holds every privilege.
type User struct {
	Name       string   `json:"name"`
	Password   string   `json:"password"`
	Role       string   `json:"role"`
	Privileges []string `json:"privileges"`
}

// Delays are the seconds that operations take; Call is added to every request,
// as the way to vCenter and back.
type Delays struct {
	Attach     float64 `json:"attach"`
	Detach     float64 `json:"detach"`
	Register   float64 `json:"register"`
	Unregister float64 `json:"unregister"`
	Call       float64 `json:"call"`
}

// LoadConfig reads a Config from a JSON file; unknown keys are an error.
func LoadConfig(path string) (Config, error) {
	var config Config
	file, err := os.Open(path)
	if err != nil {
		return config, err
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return config, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// InventoryPath is the datacenter's place in the inventory, as in /Folder/DC.
func (c Config) InventoryPath() string {
	return "/" + c.Folder + "/" + c.Datacenter
}

func (u User) holds(privilege string) bool {
	return u.Role == "Admin" || slices.Contains(u.Privileges, privilege)
}

// user finds an account by either of vCenter's spellings, name@domain and
// DOMAIN\name.
func (c Config) user(name string) (User, bool) {
	at := slices.IndexFunc(c.Users, func(u User) bool {
		return strings.EqualFold(principal(u.Name), principal(name))
	})
	if at < 0 {
		return User{}, false
	}
	return c.Users[at], true
}

func principal(name string) string {
	if domain, user, found := strings.Cut(name, `\`); found {
		return user + "@" + domain
	}
	return name
}

// atLeast compares a version such as 8.0.3 with another, number by number.
func atLeast(version string, wanted ...int) (bool, error) {
	parts := strings.Split(version, ".")
	have := make([]int, len(parts))
	for i, part := range parts {
		number, err := strconv.Atoi(part)
		if err != nil {
			return false, fmt.Errorf("version %q: %w", version, err)
		}
		have[i] = number
	}
	return slices.Compare(have, wanted) >= 0, nil
}

func milliseconds(seconds float64) int {
	return int(seconds * float64(time.Second/time.Millisecond))
}
