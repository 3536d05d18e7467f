// Bare is the yardstick for the speed of cscs-sync. It does the least that any program must do to
// compare a listing with the directories on the storage. It decodes saved pages of the proxy with
// the standard library, and calls openat2 and fstat once for the directory of each resource. With
// -make it creates the directories, with the system calls and syncs of an apply. It plans nothing,
// checks nothing and protects against nothing.
//
//	bare [-make JOURNAL] ROOT PAGE…
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// resource is one entry of a page.
type resource struct {
	ItemID     string `json:"itemId"`
	Status     string `json:"status"`
	MountPoint struct {
		Default string `json:"default"`
	} `json:"mountPoint"`
	Permission struct {
		Value string `json:"value"`
	} `json:"permission"`
	StorageSystem struct {
		Key string `json:"key"`
	} `json:"storageSystem"`
	StorageDataType struct {
		Key string `json:"key"`
	} `json:"storageDataType"`
	Target struct {
		TargetType string `json:"targetType"`
		TargetItem struct {
			Name           *string `json:"name"`
			UnixGID        *int64  `json:"unixGid"`
			PrimaryProject *struct {
				Name    string `json:"name"`
				UnixGID *int64 `json:"unixGid"`
			} `json:"primaryProject"`
		} `json:"targetItem"`
	} `json:"target"`
	Quotas, NewQuotas []struct {
		Type, Unit, EnforcementType string
		Quota                       json.Number
	}
	ParentItemID *string `json:"parentItemId"`
}

// page is the part of the proxy's answer that bare needs.
type page struct {
	Resources []resource `json:"resources"`
}

// resources returns the entries that are neither a tenant nor a customer.
func (p *page) resources() []resource {
	return slices.DeleteFunc(p.Resources, func(r resource) bool {
		return r.Target.TargetType != "project" && r.Target.TargetType != "user"
	})
}

func main() {
	run := compareListing
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "-make" {
		run, args = create, args[1:]
	}
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

// compareListing compares a listing with the directories below a root.
func compareListing(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: bare ROOT PAGE…")
	}
	root, err := openRoot(args[0])
	if err != nil {
		return err
	}
	seen, absent := 0, 0
	err = eachPage(args[1:], func(p *page) error {
		for _, r := range p.resources() {
			ok, err := exists(root, r.MountPoint.Default)
			if err != nil {
				return err
			}
			if seen++; !ok {
				absent++
			}
		}
		return nil
	})
	fmt.Printf("%d resources, %d without a directory\n", seen, absent)
	return err
}

func openRoot(path string) (int, error) {
	root, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return root, nil
}

// eachPage decodes the pages, one after the other.
func eachPage(names []string, f func(*page) error) error {
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("decode %s: %w", name, err)
		}
		if err := f(&p); err != nil {
			return err
		}
	}
	return nil
}

// exists reports whether a directory exists below root. It opens the directory and reads its
// status.
func exists(root int, path string) (bool, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(root, path[1:], &how)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return true, unix.Fstat(fd, &st)
}
