// Package strictjson parses JSON from outside, one level at a time. It refuses what [encoding/json]
// accepts: a member that occurs twice, names in another case, text after the end, and text that is
// not UTF-8.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Members returns the members of a JSON object.
func Members(text []byte) (map[string]json.RawMessage, error) {
	d, err := open(text, '{')
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, twice := all[key]; twice {
			return nil, fmt.Errorf("member %.60q occurs twice", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, end(d)
}

// Elements returns the elements of a JSON array. More than limit elements are an error.
func Elements(text []byte, limit int) ([]json.RawMessage, error) {
	d, err := open(text, '[')
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	for d.More() {
		if len(all) == limit {
			return nil, fmt.Errorf("more than %d elements", limit)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, end(d)
}

func open(text []byte, want json.Delim) (*json.Decoder, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if first != want {
		return nil, fmt.Errorf("not JSON that begins with %v", want)
	}
	return d, nil
}

// end reads the closing delimiter. Only white space may follow it.
func end(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	rest := d.InputOffset()
	if _, err := d.Token(); err == nil || err.Error() != "EOF" {
		return fmt.Errorf("text after the end, at byte %d", rest)
	}
	return nil
}
