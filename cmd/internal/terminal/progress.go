package terminal

import (
	"io"
	"log/slog"

	"github.com/waldur/cscs-storage-sync/cmd/internal/progress"
)

// ShowProgress shows progress on stderr, until the function that it returns is called.
func (t *Terminal) ShowProgress() (end func()) {
	kind, _ := t.Getenv("TERM")
	return t.follow(&progress.Progress{Out: t.Err, Now: t.Now, Width: progress.WidthOf(t.Err),
		Terminal: t.Is(t.Err) && kind != "dumb"})
}

// StreamProgress writes progress to stdout as events, until the function that it returns is called.
func (t *Terminal) StreamProgress() (end func()) {
	return t.follow(&progress.Progress{Out: t.Out, Events: true, Now: t.Now})
}

// follow shows progress until the function that it returns is called.
func (t *Terminal) follow(p *progress.Progress) (end func()) {
	t.line.Store(p)
	stop := p.Follow()
	return func() {
		t.line.Store(nil)
		stop()
	}
}

// Progress reports how far some work is. It does nothing if no progress is shown.
func (t *Terminal) Progress(work string, done, total int) { t.line.Load().Tell(work, done, total) }

// EndProgress removes the status line.
func (t *Terminal) EndProgress() { t.line.Load().End() }

// Beside returns a writer to a stream that does not disturb the status line.
func (t *Terminal) Beside(out io.Writer) io.Writer { return beside{t, out} }

type beside struct {
	t   *Terminal
	out io.Writer
}

func (w beside) Write(b []byte) (int, error) { return w.t.line.Load().Write(w.out, b) }

// Logger returns a logger that writes text or JSON to stderr.
func (t *Terminal) Logger(level slog.Level, asJSON bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if asJSON {
		o.ReplaceAttr = inSeconds
		return slog.New(slog.NewJSONHandler(t.Beside(t.Err), o))
	}
	return slog.New(slog.NewTextHandler(t.Beside(t.Err), o))
}

// inSeconds gives a duration in JSON its unit: "took_seconds": 1.5. A bare number of nanoseconds is
// taken for anything.
func inSeconds(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() != slog.KindDuration {
		return attr
	}
	return slog.Float64(attr.Key+"_seconds", attr.Value.Duration().Seconds())
}
