// Package expr has what the expressions of a configuration may use: the functions, the site's
// variables and its locals.
//
//	variable "headroom" {
//	  type        = number
//	  default     = 1.1
//	  description = "what projects get beyond their quota"
//	  validation {
//	    condition     = var.headroom >= 1 && var.headroom <= 2
//	    error_message = "headroom is a factor from 1 to 2."
//	  }
//	}
//	locals {
//	  customers = toset(["eth", "uzh"])
//	  space     = { for c in local.customers : c => ceil(tib(10) * var.headroom) }
//	}
//
// [Compile] evaluates variables and locals once. A [Scope] then gives every other expression the
// objects var and local. It names the variables that a value depends on, so that a plan can say
// where the value comes from.
//
// No function reads a file, a clock, the environment or random numbers. Values are limited in size;
// see [Bounded].
//
// The package is pure: no I/O, no clock.
package expr
