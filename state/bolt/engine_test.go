package bolt_test

import (
	"path/filepath"
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
		return func() kv.Engine {
			verify := func(each func(kv.Visit) error) error {
				return each(func(string, []byte, []byte) error { return nil })
			}
			return bolt.New(dir, bolt.Options{Now: time.Now, Buckets: kvtest.Buckets,
				Initial: kvtest.Initial, Verify: verify})
		}
	})
}
