package waldursim

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// listingError is an error caused by one resource that the proxy cannot process. Until it is fixed,
// nobody gets a listing.
type listingError struct{ detail string }

func (e *listingError) Error() string { return e.detail }

func badResource(class, field, message, kind string, value any) error {
	return &listingError{fmt.Sprintf("An error occurred: 1 validation error for %s\n%s\n  %s "+
		"[type=%s, input_value=%s, input_type=%s]\n    For further information visit "+
		"https://errors.pydantic.dev/2.10/v/%s", class, field, message, kind,
		repr(value), pythonType(value), kind)}
}

// quotas turns limits, and the options that override them, into the proxy's list: space in
// terabytes, then inodes, soft before hard. Nil means that no limit is known.
func quotas(limits, options map[string]any) ([]quota, error) {
	soft, _, err := readAmount("ResourceLimits", limits, "storage")
	if err != nil {
		return nil, err
	}
	space := [2]float64{soft, soft}
	inodes := [2]float64{math.Trunc(soft * softInodesPerTera), math.Trunc(soft * hardInodesPerTera)}
	for _, o := range []struct {
		field string
		to    *float64
	}{{"hard_quota_space", &space[1]}, {"soft_quota_inodes", &inodes[0]}, {"hard_quota_inodes", &inodes[1]}} {
		value, given, err := readAmount("ResourceOptions", options, o.field)
		if err != nil {
			return nil, err
		}
		if given {
			*o.to = value
		}
	}
	if space[0] <= 0 && space[1] <= 0 {
		return nil, nil
	}
	return []quota{
		{"space", float(space[0]), "tera", "soft"}, {"space", float(space[1]), "tera", "hard"},
		{"inodes", float(inodes[0]), "none", "soft"}, {"inodes", float(inodes[1]), "none", "hard"},
	}, nil
}

// readAmount reads a number that may be absent or null, but not negative.
func readAmount(class string, from map[string]any,
	field string) (value float64, given bool, err error) {
	raw, ok := from[field]
	if !ok || raw == nil {
		return 0, false, nil
	}
	value, ok = number(raw)
	if !ok {
		return 0, false, badResource(class, field, "Input should be a valid number, unable to parse "+
			"string as a number", "float_parsing", raw)
	}
	if value < 0 {
		return 0, false, badResource(class, field, "Input should be greater than or equal to "+
			"0", "greater_than_equal", raw)
	}
	return value, true, nil
}

// number reads a number in any form that a limit or an option may have.
func number(v any) (float64, bool) {
	var text string
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// pythonType returns the name of the type that a JSON value has in Python.
func pythonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "int"
		}
	case int, int64:
		return "int"
	}
	return "float"
}

// repr formats a JSON value like Python's error messages do.
func repr(v any) string {
	if s, ok := v.(string); ok {
		return "'" + s + "'"
	}
	return fmt.Sprint(v)
}
