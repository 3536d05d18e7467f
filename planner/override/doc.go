// Package override compiles the override blocks of a site's configuration. An override matches
// resources by what is known of them and says what is wanted instead of what the proxy asks for:
//
//	override "climate scratch" {
//	  match {
//	    path      = "/capstor/scratch/cscs/climate/**"
//	    data_type = ["scratch", "store"]
//	  }
//	  mode = "2770"
//	  quota {
//	    space_hard = upstream.quota.space_hard * 1.1
//	    space_soft = tib(18)
//	  }
//	  reason  = "CHG-4711: headroom during migration"
//	  expires = "2026-12-31"
//	}
//
// The attributes of match are ANDed, the values of one attribute ORed. Paths are globs, see
// [planner.MatchGlob]; all else is compared as it is. The directories of tenants and customers are
// matched only where target names them, with "tenant" or "customer": a path such as
// /capstor/scratch/cscs/climate/** is also that of the customer's own directory.
//
// Expressions see the object upstream, which is what the proxy says of the resource: path,
// data_type, system, tenant, customer, project, target, gid, group, status, mode, and quota with
// space_soft, space_hard, inodes_soft, inodes_hard; space is in bytes. What the proxy does not say
// is null; an expression over null is an error that blocks the resource, unless coalesce(…) says
// what to take instead. The name unlimited is known in quota blocks, and nowhere else.
//
// [Compile] evaluates every expression once with unknown values, so that a mistake in types or
// names is found when the configuration is read and not when the one resource turns up that meets
// it. What does not depend on upstream is computed then, once. Numbers are cty's, 512 bits of
// mantissa; results are cut down to whole bytes and inodes, where an error of binary rounding (1.1
// is no binary fraction) does not count as a missing byte.
//
// The package is pure: no I/O, no clock.
package override
