package doctor_test

import (
	"testing"

	"github.com/waldur/cscs-storage-sync/providers/doctor"
)

// TestText: findings in columns, long ones in several lines, and the count of the verdicts.
func TestText(t *testing.T) {
	findings := []doctor.Finding{
		{Check: "config", Verdict: doctor.Pass, Text: "is valid"},
		{Check: "clock", Verdict: doctor.Warn, Text: "differs by some seconds from that of the proxy"},
		{Check: "state", Verdict: doctor.Warn, Text: "is old"},
	}
	got := doctor.Text(findings, 50, func(v doctor.Verdict) string { return "<" + string(v) + ">" })
	want := `<PASS>  config            is valid
<WARN>  clock             differs by some seconds
                        from that of the proxy
<WARN>  state             is old

1 passed, 2 warnings, 0 failures.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if doctor.Failed(findings) || !doctor.Failed(append(findings, doctor.Finding{Verdict: doctor.Fail})) {
		t.Error("one failure is a failure, and a warning is none")
	}
}
