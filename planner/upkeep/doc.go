// Package upkeep has what people do to the state beside plans: holds, callbacks that wait, and the
// register of the archive. It changes the state, says what is in it, and touches no storage.
package upkeep
