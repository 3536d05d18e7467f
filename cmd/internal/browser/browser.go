// Package browser opens pages of cscs-sync in a real browser, for tests and screenshots.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ErrMissing means that this machine has no browser.
var ErrMissing = errors.New("no chromium: run `make setup`")

// Browser is a running browser and a server for the pages that it opens.
type Browser struct {
	ctx    context.Context
	server *httptest.Server
	stop   []func()

	mu       sync.Mutex
	content  []byte
	problems []string
}

// Start starts a browser without a window. Without an installed browser the error is [ErrMissing].
func Start(ctx context.Context) (*Browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, ErrMissing
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path),
		chromedp.Flag("hide-scrollbars", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses root
	}
	b := &Browser{}
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(allocator)
	b.ctx, b.stop = tab, []func(){stopTab, stopAllocator, b.server.Close}
	err = chromedp.Listen(tab, b.onEvent)
	if err == nil {
		err = chromedp.Do(tab, command(network.Enable, network.EnableParams{}))
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return b, nil
}

// Close stops the browser.
func (b *Browser) Close() {
	for _, stop := range b.stop {
		stop()
	}
}

func (b *Browser) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.URL.Path != "/" {
		if r.URL.Path != "/favicon.ico" { // browsers always ask for this
			b.problems = append(b.problems, "the page asks for "+r.URL.String())
		}
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.content) // if this fails, the browser shows what is missing
}

// onEvent collects what a good page never causes: requests to other places, and anything on the
// console.
func (b *Browser) onEvent(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.server.URL) && !strings.HasPrefix(url, "about:") {
			b.problems = append(b.problems, "the page asks for "+url)
		}
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "something is on the console: "+string(e.Type))
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		b.problems = append(b.problems, "a dialog opens: "+e.Message)
	}
}

// View is how a page is shown: its size in pixels and its colors.
type View struct {
	Width, Height int
	Dark          bool
}

// Open opens a page.
func (b *Browser) Open(html []byte, v View) error {
	b.mu.Lock()
	b.content, b.problems = html, nil
	b.mu.Unlock()
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	return chromedp.Do(ctx,
		chromedp.EmulateViewport(int64(v.Width), int64(v.Height)),
		command(emulation.SetEmulatedMedia, media),
		chromedp.Navigate(b.server.URL+"/"), chromedp.WaitReady("body"))
}

// Problems returns what the page has done since it was opened, but should never do.
func (b *Browser) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.problems)
}

// Ask evaluates an expression in the page. The page's own security policy does not apply to it.
func (b *Browser) Ask(expression string, answer any) error {
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify("+strings.TrimRight(expression, "\n;")+")"))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), answer)
}

// Click clicks on the first element that a selector finds.
func (b *Browser) Click(selector string) error {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector)))
}

// PDF prints the page.
func (b *Browser) PDF() ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	return chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		result, err := cdp.Call(ctx, t, page.PrintToPDF, page.PrintToPDFParams{})
		if err != nil {
			return nil, err
		}
		return result.Data, nil
	})
}

// Screenshot returns a picture of the window's content as PNG.
func (b *Browser) Screenshot() ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

// command returns a call of the browser's protocol that has no result.
func command[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}
