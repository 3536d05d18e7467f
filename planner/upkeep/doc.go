// Package upkeep has what people do to the state without a plan: holds, waiting callbacks, and the
// archive register. It changes the state, shows what is in it, and does not touch the storage.
package upkeep
