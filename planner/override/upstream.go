package override

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// unlimited is the name for "no limit". Its value is greater than every number, so that min and max
// do what they say.
const unlimited = "unlimited"

// unknownUpstream returns an object with the shape of upstream and no values, for checking types.
func unknownUpstream() cty.Value {
	quota := map[string]cty.Value{}
	for _, name := range quotaNames() {
		quota[name] = cty.UnknownVal(cty.Number)
	}
	all := map[string]cty.Value{"quota": cty.ObjectVal(quota)}
	for _, name := range []string{"path", "data_type", "system", "tenant", "customer", "project",
		"target", "status", "mode"} {
		all[name] = cty.UnknownVal(cty.String)
	}
	all["gid"], all["group"] = cty.UnknownVal(cty.Number), cty.UnknownVal(cty.Number)
	return cty.ObjectVal(all)
}

// members returns the names in upstream, for messages.
func members() []string {
	names := []string{"path", "data_type", "system", "tenant", "customer", "project", "target",
		"gid", "group", "status", "mode"}
	for _, q := range quotaNames() {
		names = append(names, "quota."+q)
	}
	return names
}

// upstreamObject returns what expressions see. Everything that the proxy does not say is null.
func upstreamObject(u planner.Upstream) cty.Value {
	f := u.Facts
	quota := make(map[string]cty.Value, len(u.Quota))
	for a, l := range u.Quota {
		quota[planner.Attribute(a).String()] = limit(l)
	}
	group := cty.NullVal(cty.Number)
	if f.HasGID {
		group = cty.NumberIntVal(f.GID)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"path": text(f.Path), "data_type": text(f.DataType), "system": text(f.System),
		"tenant":   text(f.Tenant),
		"customer": text(f.Customer), "project": text(f.Project), "target": text(string(f.Target)),
		"status": text(string(f.Status)), "mode": text(u.Mode), "gid": group, "group": group,
		"quota": cty.ObjectVal(quota),
	})
}

func text(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func limit(l planner.Limit) cty.Value {
	if l.IsUnlimited() {
		return cty.PositiveInfinity
	}
	if n, ok := l.Number(); ok {
		return cty.NumberUIntVal(n)
	}
	return cty.NullVal(cty.Number)
}

// Context returns what an expression in a quota block may use for a resource. Without a resource,
// that is what a local may use, and unlimited.
func Context(scope *expr.Scope, u *planner.Upstream) *hcl.EvalContext {
	if u == nil {
		return scope.Context(map[string]cty.Value{unlimited: cty.PositiveInfinity})
	}
	return evalContext(scope, upstreamObject(*u), true)
}

// evalContext returns what an expression may use. Only quota blocks may use unlimited.
func evalContext(scope *expr.Scope, upstream cty.Value, inQuota bool) *hcl.EvalContext {
	vars := map[string]cty.Value{"upstream": upstream}
	if inQuota {
		vars[unlimited] = cty.PositiveInfinity
	}
	return scope.Context(vars)
}

// mentions reports whether the expression refers to the variable.
func mentions(expr hcl.Expression, variable string) bool {
	for _, t := range expr.Variables() {
		if t.RootName() == variable {
			return true
		}
	}
	return false
}
