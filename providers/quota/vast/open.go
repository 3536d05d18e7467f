package vast

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// onSystem is the client of one system. It identifies directories by their storage paths.
type onSystem struct {
	client *Client
	// folder is the storage path of what is mounted as the system's directory.
	folder string
}

// Open implements [quota.Open].
func Open(system planner.System, o quota.Options) (quota.Client, error) {
	server := system.Quota.Server
	access := o.Access[system.Name]
	c, err := New(Options{URL: server.URL, Token: access.Token, User: access.User,
		Password: access.Password, CAFile: server.CAFile, Tenant: server.Tenant,
		PathPrefix: server.PathPrefix, Timeout: o.Timeout, Now: o.Now, Hidden: o.Hidden})
	if err != nil {
		return nil, fmt.Errorf("quota block: %w", err)
	}
	return &onSystem{c, system.Directory}, nil
}

// pathOnMount returns the directory's path below what is mounted.
func (s *onSystem) pathOnMount(of planner.Subject) (string, error) {
	rest, ok := strings.CutPrefix(of.Path, s.folder+"/")
	if of.By != planner.ByDirectory || !ok {
		return "", fmt.Errorf("%s: want a directory below %s", of, s.folder)
	}
	return "/" + rest, nil
}

// traits implements [quota.Client].
func (s *onSystem) Traits(context.Context) (planner.Traits, error) { return traits(), nil }

// Get implements [quota.Client].
func (s *onSystem) Get(ctx context.Context, of planner.Subject) planner.QuotaState {
	dir, err := s.pathOnMount(of)
	if err != nil {
		return quota.Unknown(via, err.Error())
	}
	return stateOf(s.client.Get(ctx, dir))
}

// stateOf converts a quota to the planner's type.
func stateOf(q Quota, found bool) planner.QuotaState {
	state := q.State
	if found {
		state.Source = &planner.QuotaSource{Via: via.Via, Handle: strconv.FormatUint(q.ID, 10)}
	}
	state.Absent = !found && state.LimitsWhy() == ""
	return state
}

// List implements [quota.Client]. It returns all of the directories, including those without a
// quota.
func (s *onSystem) List(ctx context.Context, of []planner.Subject) (providers.QuotaListing, error) {
	all, err := s.client.List(ctx)
	if err != nil {
		return providers.QuotaListing{}, err
	}
	on := make(map[string][]Quota, len(all))
	for _, q := range all {
		on[q.Path] = append(on[q.Path], q)
	}
	paths := make(map[string]planner.QuotaState, len(of))
	for _, one := range of {
		paths[one.Path] = s.stateFrom(on, one)
	}
	return providers.QuotaListing{Paths: paths}, nil
}

// stateFrom returns what a listing says about one directory.
func (s *onSystem) stateFrom(on map[string][]Quota, of planner.Subject) planner.QuotaState {
	dir, err := s.pathOnMount(of)
	if err != nil {
		return quota.Unknown(via, err.Error())
	}
	full, err := s.client.full(dir)
	if err != nil {
		return quota.Unknown(via, err.Error())
	}
	q, found, err := one(on[full], full)
	if err != nil {
		return quota.Unknown(via, err.Error())
	}
	if !found {
		q.State = noQuota()
	}
	q.State.SetAbove(s.nearestAbove(on, full))
	return stateOf(q, found)
}

// nearestAbove returns the nearest directory above that has a quota, because that quota limits this
// directory, too. It returns its storage path if it has one, and otherwise VAST's path.
func (s *onSystem) nearestAbove(on map[string][]Quota, full string) string {
	for full != "/" {
		if full = path.Dir(full); len(on[full]) == 0 {
			continue
		}
		prefix := strings.TrimSuffix(s.client.o.PathPrefix, "/") + "/"
		if rest, ok := strings.CutPrefix(full+"/", prefix); ok {
			return path.Join(s.folder, rest)
		}
		return full
	}
	return ""
}

// Set implements [quota.Client].
func (s *onSystem) Set(ctx context.Context, of planner.Subject, want planner.Limits,
	_ planner.Grace) (quota.Pending, error) {
	dir, err := s.pathOnMount(of)
	if err != nil {
		return nil, fmt.Errorf("set quota: %w: nothing was sent: %w", quota.ErrRefused, err)
	}
	p, err := s.client.Set(ctx, dir, want)
	if err != nil || p.Task == 0 {
		return nil, err
	}
	return func(ctx context.Context) (bool, error) { return s.client.Finish(ctx, p) }, nil
}

// Remove implements [quota.Client].
func (s *onSystem) Remove(ctx context.Context, of planner.Subject) (quota.Pending, error) {
	dir, err := s.pathOnMount(of)
	if err != nil {
		return nil, fmt.Errorf("remove quota: %w: nothing was sent: %w", quota.ErrRefused, err)
	}
	return nil, s.client.Remove(ctx, dir)
}
