package vast

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Directories implements [quota.DirectoryLister]. It lists the quotas below what is mounted as the
// system's directory.
func (s *onSystem) Directories(ctx context.Context) ([]planner.QuotaID, error) {
	all, err := s.client.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []planner.QuotaID
	for _, q := range all {
		rest, ok := strings.CutPrefix(q.Path, strings.TrimSuffix(s.client.o.PathPrefix, "/")+"/")
		if ok && rest != "" {
			found = append(found,
				planner.QuotaID{By: planner.ByDirectory, Path: path.Join(s.folder, rest)})
		}
	}
	slices.SortFunc(found, func(a, b planner.QuotaID) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(found), nil
}

var _ quota.DirectoryLister = (*onSystem)(nil)
