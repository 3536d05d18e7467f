package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

const bioPath = "capstor/store/cscs/eth/bio"

// withACL returns a storage where bio is as wanted but has an ACL, and its record, which has that
// ACL or not.
func withACL(acl *planner.ACL, recorded string) (*model, planner.Recorded) {
	m := newModel()
	asWanted(m, "bio", 30500)
	d := m.dirs[bioPath]
	d.ACL = acl
	m.dirs[bioPath] = d
	r := recordOf("bio", 30500)
	r.Inode, r.ACL = d.Inode, recorded
	return m, records(r)
}

func warningsOf(p *planner.Plan, code reason.Code) (texts []string) {
	for _, w := range p.Context.Warnings {
		if w.Code == code {
			texts = append(texts, w.Text)
		}
	}
	return texts
}

// TestACLOfWhatIsAsWanted: a mode that is as wanted does not show whom an ACL lets in, and the plan
// says so.
func TestACLOfWhatIsAsWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		acl   *planner.ACL
		words string
	}{
		"access": {stranger, "user 12345 has rwx, its group has r-x"},
		"masked": {&planner.ACL{Access: []planner.ACLEntry{{Tag: planner.ACLNamed, ID: 7,
			Rights: 7}, {Tag: planner.ACLGroup, Rights: 7}, {Tag: planner.ACLMask, Rights: 4}}},
			"group 7 has r--, its group has r--"},
		"default": {&planner.ACL{Default: []planner.ACLEntry{{Tag: planner.ACLUser, ID: 12345,
			Rights: 7}}}, "created in it inherits: user:12345:rwx"},
		"nfs4": {&planner.ACL{NFS: []string{"eve@x\x1b"}}, `it names "eve@x\x1b"`},
		"unread": {&planner.ACL{Unread: "it could not be read"},
			"does not show who has access, and it could not be read"},
	} {
		m, rec := withACL(tc.acl, tc.acl.Beyond())
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500)), Recorded: rec}, m)
		if texts := warningsOf(p, "acl"); len(texts) != 1 ||
			!strings.Contains(texts[0], tc.words) || len(p.Core.Actions) > 0 ||
			len(p.Context.Drift) > 0 {
			t.Errorf("%s: warnings %q, actions %v, drift %v", name, texts, p.Core.Actions,
				p.Context.Drift)
		}
	}
}

// TestACLDrift: an ACL that appeared, changed or disappeared since the record is drift, and stays
// drift. The mask that a chmod sets is not.
func TestACLDrift(t *testing.T) {
	masked := &planner.ACL{Access: slices.Clone(stranger.Access)}
	masked.Access[3].Rights, masked.Access[0].Rights, masked.Access[4].Rights = 0, 5, 7
	for name, tc := range map[string]struct {
		acl    *planner.ACL
		record string
		drift  bool
	}{
		"appeared":      {stranger, "", true},
		"as recorded":   {stranger, stranger.Beyond(), false},
		"after a chmod": {masked, stranger.Beyond(), false},
		"gone":          {nil, stranger.Beyond(), true},
	} {
		m, rec := withACL(tc.acl, tc.record)
		it := project("bio", 30500)
		p, g := plan(&planner.Input{Items: items(it), Recorded: rec, KeepRecords: true}, m)
		if got := len(p.Context.Drift) == 1 &&
			p.Context.Drift[0].Attribute == planner.ACLAttr; got != tc.drift {
			t.Errorf("%s: drift %v", name, p.Context.Drift)
		}
		if rs := g.AsWanted(); len(rs) != 1 || rs[0].ACL != tc.record {
			t.Errorf("%s: recorded again as %+v", name, rs)
		}
	}
}

// TestACLAndChmod: the plan says how a chmod changes the mask. To adopt a directory is also to
// adopt whom its ACL lets in.
func TestACLAndChmod(t *testing.T) {
	below := &planner.ACL{Access: slices.Clone(stranger.Access)}
	below.Access[3].Rights = 5
	m, rec := withACL(below, below.Beyond())
	d := m.dirs[bioPath]
	d.Mode = 0o2750
	m.dirs[bioPath] = d
	for _, recorded := range []planner.Recorded{rec, {}} {
		p, _ := plan(&planner.Input{Items: items(project("bio", 30500)), Recorded: recorded}, m)
		a, detail := action(t, p, bio)
		text := fmt.Sprint(detail.Reasons)
		if !dangerous(a, planner.DangerWiderAccess) ||
			!strings.Contains(text, "user 12345 has r-x, its group has r-x") ||
			!strings.Contains(text,
				"from r-x to rwx, not the rights of its group: after that, user 12345 has rwx, its "+
					"group has r-x") {
			t.Errorf("%s, danger %v: %s", a.Kind, a.Danger, text)
		}
	}
	m, _ = withACL(&planner.ACL{NFS: []string{"eve@x"}}, "")
	delete(m.quotas, 30500)
	p, _ := plan(&planner.Input{Items: items(project("bio", 30500))}, m)
	if a, _ := action(t, p, bio); a.Kind != planner.Adopt ||
		!dangerous(a, planner.DangerWiderAccess) {
		t.Errorf("an adoption for its quota alone: %s, danger %v", a.Kind, a.Danger)
	}
}

// TestManyACLs: if a site has many ACLs, each plan names only some of them.
func TestManyACLs(t *testing.T) {
	m := newModel()
	var all []planner.Item
	for i := range 50 {
		name := fmt.Sprintf("p%02d", i)
		all = append(all, project(name, int64(31000+i)))
		asWanted(m, name, planner.GID(31000+i))
		d := m.dirs["capstor/store/cscs/eth/"+name]
		d.ACL = stranger
		m.dirs["capstor/store/cscs/eth/"+name] = d
	}
	p, _ := plan(&planner.Input{Items: items(all...)}, m)
	if few, more := warningsOf(p, "acl"), warningsOf(p, "acl_more"); len(few) != 20 ||
		len(more) != 1 || !strings.Contains(more[0], "30 more") {
		t.Errorf("%d warnings, and %q", len(few), more)
	}
	long := &planner.ACL{}
	for i := range 5000 {
		long.Access = append(long.Access, planner.ACLEntry{Tag: planner.ACLUser, ID: uint32(i),
			Rights: 7})
	}
	other := &planner.ACL{Access: append(slices.Clone(long.Access),
		planner.ACLEntry{Tag: planner.ACLUser, ID: 9999, Rights: 7})}
	if a, b := long.Beyond(), other.Beyond(); len(a) > 600 || a == b || len(long.Words()) > 600 {
		t.Errorf("%d and %d bytes, equal: %t", len(a), len(long.Words()), a == b)
	}
}
