// Bare is the yardstick of cscs-sync's speed: the least that any program must do to compare a listing with what stands.
// It decodes saved pages of the proxy with the standard library, and does one openat2 and one fstat for each resource's
// directory. It plans nothing, checks nothing and is safe against nothing.
//
//	bare ROOT PAGE…
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// page is the part of the proxy's answer that matters here.
type page struct {
	Resources []struct {
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
	} `json:"resources"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: bare ROOT PAGE…")
	}
	root, err := unix.Open(args[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", args[0], err)
	}
	seen, absent := 0, 0
	for _, name := range args[1:] {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("decode %s: %w", name, err)
		}
		for _, r := range p.Resources {
			if r.Target.TargetType != "project" && r.Target.TargetType != "user" {
				continue
			}
			ok, err := look(root, r.MountPoint.Default)
			if err != nil {
				return err
			}
			if seen++; !ok {
				absent++
			}
		}
	}
	fmt.Printf("%d resources, %d without a directory\n", seen, absent)
	return nil
}

// look opens one directory below root and asks what it is.
func look(root int, path string) (bool, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
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
