package planfile

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// approvedFile is a plan file with a signed approval, and what judges it.
type approvedFile struct {
	name  string
	data  []byte
	rules approval.Rules
}

// taken reports whether a file would be applied.
func (f *approvedFile) taken(data []byte) bool {
	file, err := Parse(data)
	if err != nil || file.Check() != nil {
		return false
	}
	v, err := approval.Judge(approval.Input{Plan: canonical.ID(file.Plan.Core),
		Context: canonical.ContextDigest(file.Plan), Blocks: file.Approvals, Rules: f.rules,
		Now: plantest.Made()})
	return err == nil && v.Enough
}

func approve(t *testing.T, name string, plan *planner.Plan, color bool) *approvedFile {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signers, err := approval.ParseSigners(append([]byte("anna@example.com "),
		ssh.MarshalAuthorizedKey(key.PublicKey())...), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Marshal(plan, render.Options{Color: color})
	if err != nil {
		t.Fatal(err)
	}
	a, err := approval.SSH(rand.Reader, approval.Message{Plan: canonical.ID(plan.Core),
		Context: canonical.ContextDigest(plan), Name: "anna@example.com", Time: plantest.Made()}, key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := a.Block()
	if err != nil {
		t.Fatal(err)
	}
	f := &approvedFile{fmt.Sprintf("%s, colour %t", name, color), append(data, block...),
		approval.Rules{Required: 1, ValidFor: time.Hour, Signers: signers}}
	if !f.taken(f.data) {
		t.Fatalf("%s: not taken as it is", f.name)
	}
	return f
}

// saysTheSame reports whether a changed file has exactly the same text, plan and approvals. Bits
// that pad the compressed part may differ.
func (f *approvedFile) saysTheSame(changed []byte) bool {
	was, err := Parse(f.data)
	is, err2 := Parse(changed)
	return err == nil && err2 == nil && bytes.Equal(was.Text, is.Text) &&
		bytes.Equal(canonical.Encode(was.Plan), canonical.Encode(is.Plan)) &&
		slices.EqualFunc(was.Approvals, is.Approvals, bytes.Equal)
}

// TestSingleByteEdits changes single bytes of approved files, anywhere, to anything: 5,000 times,
// or a million times with CSCS_TEST_LONG. Only line ends and blanks before them may change.
func TestSingleByteEdits(t *testing.T) {
	tries := 5_000 / fewer
	if os.Getenv("CSCS_TEST_LONG") != "" {
		tries = 1_000_000
	}
	var files []*approvedFile
	for name, plan := range plantest.Typical() {
		if name != "hostile" { // which takes as long as all others together
			files = append(files, approve(t, name, plan(), false), approve(t, name, plan(), true))
		}
	}
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := mathrand.New(mathrand.NewPCG(uint64(w), 4))
			for n := 0; n < tries/workers && !t.Failed(); {
				f := files[r.IntN(len(files))]
				i := r.IntN(len(f.data))
				changed := bytes.Clone(f.data)
				changed[i] ^= byte(1 + r.IntN(255))
				if harmless(f.data, changed) {
					continue
				}
				n++
				if f.taken(changed) && !f.saysTheSame(changed) {
					t.Errorf("%s: byte %d as %q instead of %q is taken", f.name, i, changed[i],
						f.data[i])
				}
			}
		})
	}
	wg.Wait()
}
