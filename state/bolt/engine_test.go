package bolt_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state/bolt"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/kv/kvtest"
)

// The tests of package state cover damage to the file, power cuts and locks, because the state's
// checksums find them.
func TestEngine(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kvtest.Open {
		dir := filepath.Join(t.TempDir(), "state")
		return func() kv.Engine { return open(dir) }
	})
}

// open returns an engine on the state of the conformance suite.
func open(dir string) *bolt.Engine {
	verify := func(each func(kv.Visit) error) error {
		return each(func(string, []byte, []byte) error { return nil })
	}
	return bolt.New(dir, bolt.Options{Now: time.Now, Buckets: kvtest.Buckets,
		Initial: kvtest.Initial, Verify: verify})
}

// A batch that makes the file grow does not copy again and again what it has put.
func TestABatchThatGrowsTheFileCopiesNothing(t *testing.T) {
	e := open(filepath.Join(t.TempDir(), "state"))
	const values = 20_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := e.Batch(true, func(tx kv.Tx) error {
		value := make([]byte, 200)
		for i := range values {
			if err := tx.Put("b", fmt.Appendf(nil, "%08d", i), value); err != nil {
				return err
			}
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if n := (after.Mallocs - before.Mallocs) / values; err != nil || n > 6 {
		t.Errorf("%d allocations for each value, %v", n, err)
	}
}
