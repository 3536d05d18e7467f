package approval

import (
	"fmt"
	"strings"
	"time"
)

// signerOptions are the options of one line. A zero time means no limit.
type signerOptions struct {
	authority     bool
	namespaces    string
	hasNamespaces bool
	after, before time.Time
}

// parseOptions reads a comma-separated list of options. Their names may be in upper or lower case.
func parseOptions(s string, zone *time.Location) (signerOptions, error) {
	var o signerOptions
	for s != "" {
		rest, err := o.parseOne(s, zone)
		if err != nil {
			return o, err
		}
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return o, fmt.Errorf(
				"unknown option %.40q; there are cert-authority, namespaces, valid-after and "+
					"valid-before", rest)
		}
		if s = rest[1:]; s == "" {
			return o, fmt.Errorf("the options end in a comma")
		}
	}
	if !o.after.IsZero() && !o.before.IsZero() && !o.before.After(o.after) {
		return o, fmt.Errorf("valid-before is not later than valid-after")
	}
	return o, nil
}

// parseOne reads the option that s begins with, and returns the rest. It stops where no option
// follows.
func (o *signerOptions) parseOne(s string, zone *time.Location) (string, error) {
	if rest, ok := cutFold(s, "cert-authority"); ok {
		o.authority = true
		return rest, nil
	}
	if rest, ok := cutFold(s, "namespaces="); ok {
		if o.hasNamespaces {
			return "", fmt.Errorf("namespaces is given twice")
		}
		o.hasNamespaces = true
		return cutQuoted(rest, &o.namespaces)
	}
	if rest, ok := cutFold(s, "valid-after="); ok {
		return cutTime(rest, "valid-after", zone, &o.after, time.Time.After)
	}
	if rest, ok := cutFold(s, "valid-before="); ok {
		return cutTime(rest, "valid-before", zone, &o.before, time.Time.Before)
	}
	return s, nil
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// cutQuoted reads a value in double quotes, in which \" stands for a quote.
func cutQuoted(s string, to *string) (string, error) {
	if s == "" || s[0] != '"' {
		return "", fmt.Errorf("a value must stand in double quotes")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			*to = b.String()
			return s[i+1:], nil
		}
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '"' {
			i++
		}
		b.WriteByte(s[i])
	}
	return "", fmt.Errorf("a quote is not closed")
}

// cutTime reads a quoted time. Local times are ambiguous, see parseTime; narrower chooses the
// reading that allows less.
func cutTime(s, name string, zone *time.Location, to *time.Time,
	narrower func(a, b time.Time) bool) (string, error) {
	if !to.IsZero() {
		return "", fmt.Errorf("%s is given twice", name)
	}
	var value string
	rest, err := cutQuoted(s, &value)
	if err != nil {
		return "", err
	}
	civil, standard, err := parseTime(value, zone)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	*to = civil
	if narrower(standard, civil) {
		*to = standard
	}
	return rest, nil
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS: in UTC if Z or UTC follows, otherwise
// in zone. Versions of ssh-keygen read a local time in summer differently: as clocks show it
// (civil), or as if there were no daylight saving (standard; seen with OpenSSH 9.2). parseTime
// returns both.
func parseTime(s string, zone *time.Location) (civil, standard time.Time, err error) {
	digits := s
	for _, suffix := range []string{"Z", "UTC"} {
		if n := len(s) - len(suffix); n > 0 && strings.EqualFold(s[n:], suffix) {
			digits, zone = s[:n], time.UTC
			break
		}
	}
	layout, ok := map[int]string{8: "20060102", 12: "200601021504",
		14: "20060102150405"}[len(digits)]
	if ok && strings.Trim(digits, "0123456789") == "" {
		civil, err = time.ParseInLocation(layout, digits, zone)
	}
	if !ok || err != nil || civil.Unix() <= 0 {
		return civil, civil,
			fmt.Errorf("time %.40q: want YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z after "+
				"it for UTC", s)
	}
	return civil, withoutSaving(civil), nil
}

// withoutSaving returns the instant at which clocks would show the same time without daylight
// saving.
func withoutSaving(t time.Time) time.Time {
	if !t.IsDST() {
		return t
	}
	_, now := t.Zone()
	for months := 1; months <= 6; months++ {
		if other := t.AddDate(0, months, 0); !other.IsDST() {
			_, standard := other.Zone()
			return t.Add(time.Duration(now-standard) * time.Second)
		}
	}
	return t
}
