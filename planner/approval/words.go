package approval

import (
	"fmt"
	"strings"
	"time"
)

// reasons say why the approvals are not enough, and which command helps.
func (in Input) reasons(v Verdict) []string {
	var out []string
	switch {
	case len(v.Approvals) == 0:
		out = append(out, fmt.Sprintf("%s needed", people(v.Required)))
	case v.Counted == 0:
		out = append(out, fmt.Sprintf("no approval counts; %s needed", people(v.Required)))
	default:
		out = append(out, fmt.Sprintf(
			"approved by %d of %d different people; somebody else must approve too", v.Counted,
			v.Required))
	}
	for i, j := range v.Approvals {
		if !j.Counted {
			out = append(out, fmt.Sprintf("approval %d by %q is not counted: %s", i+1, j.Name,
				j.Why))
		}
	}
	return append(out, "next: "+in.command())
}

func people(n int) string {
	if n == 1 {
		return "one approval is"
	}
	return fmt.Sprintf("approvals by %d different people are", n)
}

// command returns the command that would approve the plan in a way that counts.
func (in Input) command() string {
	file := in.File
	if file == "" {
		file = "PLAN"
	}
	if in.Rules.Signers == nil {
		return "cscs-sync approve " + quote(file)
	}
	return "cscs-sync approve --key KEY " + quote(file)
}

// quote returns s as a word of the shell.
func quote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("/._-+@:,=", r)
	}
	if strings.TrimFunc(s, safe) == "" && !strings.HasPrefix(s, "-") {
		return s
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !visible(r) }) {
		return "PLAN"
	}
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// showDuration formats whole days as the configuration writes them.
func showDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
