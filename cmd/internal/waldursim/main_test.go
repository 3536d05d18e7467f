package waldursim

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// running starts the command and waits for its first line.
func running(t *testing.T, ctx context.Context, args ...string) (url string, ended <-chan int) {
	t.Helper()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, args, w, t.Output())
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("first line %q: %v", line, err)
	}
	return url, code
}

func exit(t *testing.T, ended <-chan int) int {
	t.Helper()
	select {
	case code := <-ended:
		return code
	case <-time.After(2 * time.Minute):
		t.Fatal("does not end")
		return -1
	}
}

func TestCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	url, ended := running(t, t.Context(), "--resources", "30", "--seed-file", "testdata/mini_seed.json", "--gid", "4711", "--url-file", file)
	if text, err := os.ReadFile(file); err != nil || string(text) != url+"\n" {
		t.Errorf("url file %q: %v", text, err)
	}
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("listens on %s", url)
	}
	var state struct{ Resources []ResourceView }
	if callControl(t, "GET", url+"/sim/state", "", &state); len(state.Resources) != 48 {
		t.Errorf("%d resources, want 48", len(state.Resources))
	}
	for _, r := range state.Resources {
		if r.GID != nil && *r.GID != 4711 {
			t.Errorf("%s has GID %d", r.Slug, *r.GID)
		}
	}
	if callControl(t, "POST", url+"/sim/stop", "", nil) != 200 || exit(t, ended) != 0 {
		t.Error("did not end well when told to stop")
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, ended := running(t, ctx, "--listen", "127.0.0.1:0")
	cancel()
	if code := exit(t, ended); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestCommandRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(bad, []byte(`{"resources":[{"offering":"nowhere"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--resources -1", "want 0 or more"},
		{"--orders 101", "0 to 100"},
		{"--seed-file " + bad, "no such offering"},
		{"--seed-file " + bad + ".none", "read seed file"},
		{"--listen nowhere", "listen"},
		{"--no-such-flag", "unknown flag"},
		{"word", "takes flags only"},
	} {
		var stdout, stderr bytes.Buffer
		if code := Main(t.Context(), strings.Fields(c.args), &stdout, &stderr); code != 1 ||
			stdout.Len() > 0 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: %d %q %q", c.args, code, stdout.String(), stderr.String())
		}
	}
	if code := Main(t.Context(), []string{"--help"}, io.Discard, io.Discard); code != 0 {
		t.Errorf("--help: %d", code)
	}
}
