package render

import (
	"github.com/waldur/cscs-storage-sync/planner"
)

// symbol returns the mark of an action in the text, and its explanation.
func symbol(kind planner.ActionKind) (mark, legend string, s style) {
	switch kind {
	case planner.Create:
		return "+", "create", green
	case planner.Adopt:
		return "@", "adopt: it already exists, and is changed to what is wanted", yellow
	case planner.Update:
		return "~", "update in place (observed -> desired)", yellow
	case planner.Archive:
		return "-", "archive: moved aside and kept", red
	case planner.Restore:
		return "^", "restore from the archive", green
	case planner.RejectOrder:
		return "x", "reject the order", red
	case planner.FailOrder:
		return "X", "fail the order", red
	case planner.Report:
		return ">", "report only: the storage is as wanted, callbacks are due", cyan
	case planner.Blocked:
		return "!", "blocked", magenta
	}
	return ".", "waiting", dim
}

// verb returns the end of the sentence "ADDRESS …" above an action.
func verb(a *planner.Action) string {
	switch a.Kind {
	case planner.Create:
		return "will be created"
	case planner.Adopt:
		return "already exists and will be adopted"
	case planner.Update:
		return "will be updated in place"
	case planner.Archive:
		return "will be archived"
	case planner.Restore:
		return "will be restored from the archive"
	case planner.RejectOrder:
		return "stays as it is: its order will be rejected"
	case planner.FailOrder:
		return "stays as it is: its order will be failed"
	}
	if len(a.Danger) > 0 {
		return "is gone: only callbacks are due"
	}
	return "is as wanted, only callbacks are due"
}

// Tag returns the word that marks a danger, in capitals: "ARCHIVES DATA".
func Tag(d planner.Danger) string {
	word, _ := tag(d)
	return word
}

// tag returns the word that marks a danger, and a clause that says what it means, for counting.
func tag(d planner.Danger) (tag, clause string) {
	switch d {
	case planner.DangerArchive:
		return "ARCHIVES DATA", "moves data to the archive"
	case planner.DangerMissing:
		return "MISSING", "concerns a directory that should exist but does not"
	case planner.DangerBelowUsage:
		return "BELOW USAGE", "sets a limit below the current usage"
	case planner.DangerWiderAccess:
		return "WIDER ACCESS", "gives more people access to data"
	case planner.DangerReplaced:
		return "REPLACED", "finds a directory that is not the recorded one"
	case planner.DangerTakenOver:
		return "TAKEN OVER", "brings data under a group or quota that others use"
	case planner.DangerOvercommit:
		return "OVERCOMMITS", "promises more space than overcommit allows"
	case planner.DangerUnlimited:
		return "UNLIMITED", "leaves a directory without a hard limit"
	}
	return "GROUP", "gives data to another group"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return planner.Commas(uint64(n)) + " " + many
}
