package prompt_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/prompt"
)

// TestConfirm: only yes is a yes.
func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " yes \r\n": true, "yes": true,
		"y\n":   false,
		"YES\n": false, "\n": false, "": false, "no\nyes\n": false} {
		var out strings.Builder
		got, err := prompt.Confirm(strings.NewReader(answer), &out, "Do it?", nil)
		if got != want || err != nil || !strings.Contains(out.String(), "Do it?") {
			t.Errorf("%q: %t, %v; asked %q", answer, got, err, out.String())
		}
	}
}

// TestConfirmStops: a stop ends the wait for a person who does not answer.
func TestConfirmStops(t *testing.T) {
	t.Parallel()
	silent, _ := io.Pipe()
	defer silent.Close()
	stop := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(stop) })
	if yes, err := prompt.Confirm(silent, io.Discard, "Do it?", stop); yes ||
		!errors.Is(err, prompt.ErrStopped) {
		t.Errorf("%t, %v", yes, err)
	}
}
