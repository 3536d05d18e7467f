// Package override compiles the override blocks of a site's configuration. An override matches
// resources by what is known about them, and says what is wanted instead of what the proxy asks
// for:
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
// All attributes of match must match; of the values of one attribute, one must. Paths are globs,
// see [planner.MatchGlob]; everything else is compared as it is. The directories of tenants and
// customers match only if target names them, with "tenant" or "customer". Otherwise a path such as
// /capstor/scratch/cscs/climate/** would also match the customer's own directory.
//
// Expressions see the object upstream, which is what the proxy says about the resource: path,
// data_type, system, tenant, customer, project, target, gid, group, status, mode, and quota with
// space_soft, space_hard, inodes_soft and inodes_hard. Space is in bytes. What the proxy does not
// say is null. An expression over null is an error that blocks the resource, unless coalesce(…)
// says what to use instead. The name unlimited is known only in quota blocks.
//
// [Compile] evaluates every expression once with unknown values. So a mistake in types or names is
// found when the configuration is read, and not when a resource appears that matches. Values that
// do not depend on upstream are computed then, once. Numbers are cty's, with 512 bits of mantissa.
// Results are rounded down to whole bytes and inodes; an error of binary rounding (1.1 is no binary
// fraction) does not count as a missing byte.
//
// The package is pure: no I/O, no clock.
package override
