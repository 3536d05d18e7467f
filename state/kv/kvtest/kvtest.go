// Package kvtest is the conformance suite of the state's engines. It tests everything on which the
// state relies.
package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// Buckets are the buckets that the suite uses. Initial are the values that a new state must have.
var (
	Buckets = []string{"a", "b", "records"}
	Initial = []kv.Value{{Bucket: "a", Key: []byte("first"), Value: []byte("1")}}
)

// Open returns an engine on the state of a test. It is always the same state, and each engine
// stands for a process. The state does not exist before the first batch that writes.
type Open func() kv.Engine

// Run tests an engine. It calls newState once for each test.
func Run(t *testing.T, newState func(t *testing.T) Open) {
	tests := map[string]func(*testing.T, Open){
		"a state that does not exist": absent, "a new state": created, "changes": changes,
		"a batch that fails": failing, "order": order, "a scan stops": scanStops, "odd values": odd,
		"a view is one snapshot": snapshot, "one writer": oneWriter, "random batches": random,
		"views do not change": viewsChangeNothing, "values are the caller's": callersMemory,
		"keep": keep, "a scan of large and small values": mixedSizes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newState(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func update(t *testing.T, e kv.Engine, fn func(kv.Tx) error) {
	t.Helper()
	must(t, e.Batch(true, fn))
}

// contents returns everything in a bucket, in the order of the scan.
func contents(t *testing.T, e kv.Engine, bucket string) (out []string) {
	t.Helper()
	must(t, e.Batch(false, func(tx kv.Tx) error {
		return tx.Scan(bucket, nil, func(k, v []byte) error {
			out = append(out, fmt.Sprintf("%q=%q", k, v))
			return nil
		})
	}))
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %.300q, want %.300q", what, got, want)
	}
}

func absent(t *testing.T, open Open) {
	called := false
	must(t, open().Batch(false, func(tx kv.Tx) error {
		called = true
		if tx != nil {
			t.Error("a state that does not exist has values")
		}
		return nil
	}))
	if !called {
		t.Error("the batch was not run")
	}
}

func created(t *testing.T, open Open) {
	failed := errors.New("no")
	if err := open().Batch(true, func(kv.Tx) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	update(t, open(), func(tx kv.Tx) error {
		v, err := tx.Get("a", []byte("first"))
		if string(v) != "1" {
			t.Errorf("a new state has %q, want its initial values", v)
		}
		return err
	})
	want(t, "a new state", contents(t, open(), "a"), `"first"="1"`)
}

func changes(t *testing.T, open Open) {
	e := open()
	update(t, e, func(tx kv.Tx) error {
		return errors.Join(tx.Put("b", []byte("k"), []byte("1")), tx.Put("b", []byte("l"), []byte("2")),
			tx.Put("b", []byte("k"), []byte("3")), tx.Delete("b", []byte("none")))
	})
	want(t, "put", contents(t, open(), "b"), `"k"="3"`, `"l"="2"`)
	update(t, e, func(tx kv.Tx) error {
		must(t, tx.Put("b", []byte("m"), []byte("4")))
		must(t, tx.Delete("b", []byte("k")))
		v, err := tx.Get("b", []byte("m"))
		gone, err2 := tx.Get("b", []byte("k"))
		if string(v) != "4" || gone != nil {
			t.Errorf("a batch does not see its own changes: %q, %q", v, gone)
		}
		var seen []string
		must(t, tx.Scan("b", nil, func(k, _ []byte) error { seen = append(seen, string(k)); return nil }))
		want(t, "a scan in the batch", seen, "l", "m")
		return errors.Join(err, err2)
	})
	want(t, "of the engine that wrote it", contents(t, e, "b"), `"l"="2"`, `"m"="4"`)
	want(t, "of another engine", contents(t, open(), "b"), `"l"="2"`, `"m"="4"`)
	want(t, "another bucket", contents(t, open(), "a"), `"first"="1"`)
}

func failing(t *testing.T, open Open) {
	e := open()
	update(t, e, func(tx kv.Tx) error { return tx.Put("b", []byte("k"), []byte("1")) })
	failed := errors.New("no")
	err := e.Batch(true, func(tx kv.Tx) error {
		return errors.Join(tx.Put("b", []byte("k"), []byte("2")), tx.Put("a", []byte("x"), []byte("2")),
			failed)
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v, want the caller's error", err)
	}
	want(t, "after a batch that failed", contents(t, e, "b"), `"k"="1"`)
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v, want the caller's panic", p)
			}
		}()
		_ = e.Batch(true, func(tx kv.Tx) error {
			must(t, tx.Put("b", []byte("k"), []byte("3")))
			panic("mine")
		})
	}()
	want(t, "after a batch that panicked", contents(t, open(), "b"), `"k"="1"`)
	update(t, e, func(tx kv.Tx) error { return tx.Put("b", []byte("k"), []byte("4")) })
	want(t, "the next batch", contents(t, open(), "b"), `"k"="4"`)
}

// keys returns keys in their order: short keys, keys that begin with others, keys with any bytes,
// and keys of the largest length.
func keys(longest int) [][]byte {
	long := bytes.Repeat([]byte("p"), longest-1)
	return [][]byte{{0}, {0, 0}, {0, 1}, []byte("a"), []byte("a\x00"), []byte("a\x00b"), []byte("b"),
		long[:960], long[:1000], long[:1001], long[:1600], long, append(bytes.Clone(long), 'a'),
		append(bytes.Clone(long), 'b'), append(bytes.Clone(long[:1500]), 'q'), {0x7f}, {0x80}, {0xff},
		{0xff, 0xff}}
}

func order(t *testing.T, open Open) {
	all := keys(open().MaxKey())
	if !slices.IsSortedFunc(all, bytes.Compare) {
		t.Fatal("the suite's keys are not sorted")
	}
	update(t, open(), func(tx kv.Tx) error {
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(all)) {
			must(t, tx.Put("b", all[i], fmt.Append(nil, i)))
		}
		return nil
	})
	must(t, open().Batch(false, func(tx kv.Tx) error {
		for i := range all {
			var got [][]byte
			must(t, tx.Scan("b", all[i], func(k,
				_ []byte) error {
				got = append(got, bytes.Clone(k))
				return nil
			}))
			if !slices.EqualFunc(got, all[i:], bytes.Equal) {
				t.Errorf("from key %d of %d bytes: %d keys, want the %d from it on in their order", i,
					len(all[i]), len(got), len(all)-i)
			}
			v, err := tx.Get("b", all[i])
			if err != nil || string(v) != fmt.Sprint(i) {
				t.Errorf("key %d: %q, %v", i, v, err)
			}
		}
		return nil
	}))
	update(t, open(), func(tx kv.Tx) error { return tx.Delete("b", all[12]) })
	if n := len(contents(t, open(), "b")); n != len(all)-1 {
		t.Errorf("%d values after one of %d was deleted", n, len(all))
	}
}

func scanStops(t *testing.T, open Open) {
	stop := errors.New("stop")
	update(t, open(), func(tx kv.Tx) error {
		for i := range 3000 {
			must(t, tx.Put("b", fmt.Appendf(nil, "%06d", i), bytes.Repeat([]byte("v"), 100)))
		}
		n := 0
		if err := tx.Scan("b", nil, func(_, _ []byte) error { n++; return stop }); !errors.Is(err,
			stop) || n != 1 {
			t.Errorf("%v after %d values, want the caller's error after the first", err, n)
		}
		// The batch can still be used after the scan stopped, and inside of a scan other buckets can be
		// used.
		return tx.Scan("b", []byte("002990"), func(k, _ []byte) error {
			v, err := tx.Get("a", []byte("first"))
			if string(v) != "1" {
				t.Errorf("in a scan: %q, %v", v, err)
			}
			return errors.Join(err, tx.Put("a", k, k))
		})
	})
	if n := len(contents(t, open(), "a")); n != 11 {
		t.Errorf("%d values, want 11", n)
	}
}

// mixedSizes scans values for which an engine may need several reads of different sizes.
func mixedSizes(t *testing.T, open Open) {
	var all []string
	update(t, open(), func(tx kv.Tx) error {
		for i := range 1000 {
			key, size := fmt.Sprintf("%06d", i), 10
			if i%200 == 150 {
				size = 5 << 20
			}
			must(t, tx.Put("b", []byte(key), bytes.Repeat([]byte{byte(i)}, size)))
			all = append(all, fmt.Sprint(key, size, byte(i)))
		}
		return nil
	})
	for _, start := range []int{0, 1, 149, 151, 898, 899, 900, 901, 999} {
		var got []string
		must(t, open().Batch(false, func(tx kv.Tx) error {
			return tx.Scan("b", fmt.Appendf(nil, "%06d", start), func(k, v []byte) error {
				got = append(got, fmt.Sprint(string(k), len(v), v[len(v)-1]))
				return nil
			})
		}))
		want(t, fmt.Sprint("from ", start), got, all[start:]...)
	}
}

func odd(t *testing.T, open Open) {
	big := bytes.Repeat([]byte("x\x00\xff\""), 1<<20)
	update(t, open(), func(tx kv.Tx) error {
		return errors.Join(tx.Put("b", []byte("empty"), []byte{}), tx.Put("b", []byte("big"), big))
	})
	must(t, open().Batch(false, func(tx kv.Tx) error {
		empty, err := tx.Get("b", []byte("empty"))
		if empty == nil || len(empty) != 0 {
			t.Errorf("an empty value is read as %v", empty)
		}
		got, err2 := tx.Get("b", []byte("big"))
		if !bytes.Equal(got, big) {
			t.Errorf("%d bytes came back, want the %d that were stored", len(got), len(big))
		}
		none, err3 := tx.Get("b", []byte("none"))
		if none != nil {
			t.Errorf("a key without a value has %q", none)
		}
		return errors.Join(err, err2, err3)
	}))
}

func snapshot(t *testing.T, open Open) {
	update(t, open(), func(tx kv.Tx) error {
		return errors.Join(tx.Put("a", []byte("n"), []byte("0")), tx.Put("b", []byte("n"), []byte("0")))
	})
	var wait sync.WaitGroup
	stop := make(chan struct{})
	wait.Go(func() {
		e := open()
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n := fmt.Append(nil, i)
			if err := e.Batch(true, func(tx kv.Tx) error {
				return errors.Join(tx.Put("a", []byte("n"), n), tx.Put("b", []byte("n"), n))
			}); err != nil && !errors.Is(err, kv.ErrBusy) {
				t.Error(err)
				return
			}
		}
	})
	e := open()
	for range 100 {
		must(t, e.Batch(false, func(tx kv.Tx) error {
			a, err := tx.Get("a", []byte("n"))
			a = bytes.Clone(a)
			b, err2 := tx.Get("b", []byte("n"))
			if !bytes.Equal(a, b) {
				t.Errorf("a view sees %s and %s of one batch", a, b)
			}
			return errors.Join(err, err2)
		}))
	}
	close(stop)
	wait.Wait()
}

func oneWriter(t *testing.T, open Open) {
	update(t, open(), func(tx kv.Tx) error { return tx.Put("b", []byte("n"), []byte{0, 0}) })
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			e := open()
			for range 25 {
				for {
					err := e.Batch(true, func(tx kv.Tx) error {
						v, err := tx.Get("b", []byte("n"))
						if err != nil {
							return err
						}
						return tx.Put("b", []byte("n"), []byte{0, v[1] + 1})
					})
					if err == nil {
						break
					}
					if !errors.Is(err, kv.ErrBusy) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	want(t, "100 increments of four writers", contents(t, open(), "b"), `"n"="\x00d"`)
}

func random(t *testing.T, open Open) {
	r := rand.New(rand.NewPCG(3, 4))
	model := map[string]string{}
	engines := []kv.Engine{open(), open()}
	for range 40 {
		e := engines[r.IntN(2)]
		fail := r.IntN(4) == 0
		next := map[string]string{}
		for k, v := range model {
			next[k] = v
		}
		failed := errors.New("no")
		err := e.Batch(true, func(tx kv.Tx) error {
			for range r.IntN(20) {
				k := fmt.Sprint(r.IntN(30))
				if r.IntN(3) == 0 {
					must(t, tx.Delete("records", []byte(k)))
					delete(next, k)
					continue
				}
				next[k] = fmt.Sprint(r.Int())
				must(t, tx.Put("records", []byte(k), []byte(next[k])))
			}
			if fail {
				return failed
			}
			return nil
		})
		if fail != errors.Is(err, failed) || !fail && err != nil {
			t.Fatal(err)
		}
		if !fail {
			model = next
		}
		var expected []string
		for k, v := range model {
			expected = append(expected, fmt.Sprintf("%q=%q", k, v))
		}
		slices.Sort(expected)
		got := contents(t, engines[r.IntN(2)], "records")
		slices.Sort(got)
		want(t, "after a batch", got, expected...)
	}
}

func viewsChangeNothing(t *testing.T, open Open) {
	update(t, open(), func(tx kv.Tx) error { return tx.Put("b", []byte("k"), []byte("1")) })
	err := open().Batch(false, func(tx kv.Tx) error {
		return errors.Join(tx.Put("b", []byte("k"), []byte("2")), tx.Delete("a", []byte("first")))
	})
	if err == nil {
		t.Error("a view accepts changes")
	}
	want(t, "after a view", contents(t, open(), "b"), `"k"="1"`)
}

func callersMemory(t *testing.T, open Open) {
	k, v := []byte("k"), []byte("v")
	update(t, open(), func(tx kv.Tx) error {
		must(t, tx.Put("b", bytes.Clone(k), v))
		must(t, tx.Put("b", []byte("l"), []byte("w")))
		return nil
	})
	k[0], v[0] = 'x', 'x'
	want(t, "after the caller reused its memory", contents(t, open(), "b"), `"k"="v"`, `"l"="w"`)
}

func keep(t *testing.T, open Open) {
	update(t, open(), func(tx kv.Tx) error { return tx.Put("b", []byte("k"), []byte("1")) })
	for range 2 { // the second time replaces nothing
		update(t, open(), func(tx kv.Tx) error {
			return errors.Join(tx.Put("b", []byte("k"), []byte("2")), tx.Keep("test"))
		})
	}
	want(t, "the batch that kept", contents(t, open(), "b"), `"k"="2"`)
}
