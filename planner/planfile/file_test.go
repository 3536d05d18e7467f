package planfile

import (
	"bytes"
	"testing"
)

func marshal(t testing.TB, opt Options) []byte {
	t.Helper()
	data, err := Marshal(mixedPlan(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWrittenBackByteForByte(t *testing.T) {
	for _, colored := range []bool{false, true} {
		data := marshal(t, Options{Color: colored})
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), data) || f.Colored != colored || f.Foreign {
			t.Errorf("colored %t: not the same file: colored %t, foreign %t", colored, f.Colored, f.Foreign)
		}
		if err := f.AddApproval(EncodeApproval([]byte("first"))); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Approvals) != 1 || !bytes.Equal(again.Bytes(), f.Bytes()) {
			t.Errorf("colored %t: %d approvals after adding one", colored, len(again.Approvals))
		}
	}
}
