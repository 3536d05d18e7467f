package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// fixed is a batch with one bucket that cannot be changed.
type fixed map[string]string

var errFixed = errors.New("fixed")

func (f fixed) Get(_ string, key []byte) ([]byte, error) {
	v, ok := f[string(key)]
	if !ok {
		return nil, nil
	}
	return []byte(v), nil
}

func (f fixed) Scan(_ string, start []byte, fn func(key, value []byte) error) error {
	for _, k := range slices.Sorted(maps.Keys(f)) {
		if k < string(start) {
			continue
		}
		if err := fn([]byte(k), []byte(f[k])); err != nil {
			return err
		}
	}
	return nil
}

func (f fixed) Put(string, []byte, []byte) error { return errFixed }
func (f fixed) Delete(string, []byte) error      { return errFixed }
func (f fixed) Keep(string) error                { return errFixed }

// TestOverlay compares overlays of random changes with maps.
func TestOverlay(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		below, want := fixed{}, map[string]string{}
		for range r.IntN(12) {
			k := fmt.Sprint(r.IntN(20))
			below[k], want[k] = "old", "old"
		}
		o := kv.NewOverlay(below)
		for range r.IntN(12) {
			k := fmt.Sprint(r.IntN(20))
			if r.IntN(3) == 0 {
				delete(want, k)
				if err := o.Delete("b", []byte(k)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want[k] = []string{"new", ""}[r.IntN(2)]
			if err := o.Put("b", []byte(k), []byte(want[k])); err != nil {
				t.Fatal(err)
			}
		}
		check(t, o, below, want, fmt.Sprint(r.IntN(20)))
	}
}

func check(t *testing.T, o *kv.Overlay, below fixed, want map[string]string, start string) {
	t.Helper()
	var got, expected []string
	if err := o.Scan("b", []byte(start), func(k, v []byte) error {
		got = append(got, string(k)+"="+string(v))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if k >= start {
			expected = append(expected, k+"="+want[k])
		}
		if v, err := o.Get("b", []byte(k)); err != nil || v == nil || string(v) != want[k] {
			t.Errorf("%q is %q, %v, want %q", k, v, err, want[k])
		}
	}
	if !slices.Equal(got, expected) {
		t.Errorf("from %q: %q, want %q", start, got, expected)
	}
	after := maps.Clone(below)
	o.Changed(func(v kv.Value) { after[string(v.Key)] = string(v.Value) }, func(_ string, key []byte) { delete(after, string(key)) })
	if !maps.Equal(after, fixed(want)) {
		t.Errorf("with its changes: %v, want %v", after, want)
	}
	stop := errors.New("stop")
	if err := o.Scan("b", nil, func(_, _ []byte) error { return stop }); len(want) > 0 && !errors.Is(err, stop) {
		t.Errorf("a scan that is stopped: %v", err)
	}
	if v, err := o.Get("b", []byte("none")); v != nil || err != nil || bytes.Equal(v, []byte("x")) {
		t.Errorf("%q, %v", v, err)
	}
}
