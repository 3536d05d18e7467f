// Package prompt asks people questions on a terminal.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrStopped means that a question was stopped before it was answered. The read continues, so the
// process must end.
var ErrStopped = errors.New("stopped")

// Confirm asks a question and reports whether the answer is yes. It stops waiting when stop is
// closed.
func Confirm(in io.Reader, out io.Writer, question string, stop <-chan struct{}) (bool, error) {
	fmt.Fprintf(out, "\n%s\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ",
		question)
	answer, err := wait(stop, func() (string, error) {
		line, _ := bufio.NewReader(in).ReadString('\n')
		return strings.TrimSpace(line), nil
	})
	return answer == "yes", err
}

// Passphrase asks for a passphrase without showing it. If stop ends the wait, the terminal's mode
// is restored.
func Passphrase(f *os.File, out io.Writer, question string, stop <-chan struct{}) ([]byte, error) {
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out)
	got, err := wait(stop, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
	if errors.Is(err, ErrStopped) {
		err = errors.Join(err, term.Restore(int(f.Fd()), before))
	}
	return got, err
}

// wait returns what read returns, or ErrStopped as soon as stop is closed.
func wait[T any](stop <-chan struct{}, read func() (T, error)) (got T, err error) {
	type answer struct {
		got T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		got, err := read()
		answers <- answer{got, err}
	}()
	select {
	case a := <-answers:
		return a.got, a.err
	case <-stop:
		return got, ErrStopped
	}
}

// Lines reads lines with a prompt and lets people edit them. It shows what answer returns, until
// answer returns false or the input ends. The end of ctx restores the terminal.
func Lines(ctx context.Context, f *os.File, out io.Writer, mark string,
	answer func(line string) (text string, more bool)) error {
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return fmt.Errorf("read the terminal: %w", err)
	}
	restore := func() { _ = term.Restore(int(f.Fd()), before) }
	defer restore()
	defer context.AfterFunc(ctx, restore)()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{f, out}, mark)
	for {
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return fmt.Errorf("read the terminal: %w", err)
		}
		text, more := answer(line)
		if !more {
			return nil
		}
		if _, err := io.WriteString(t, text); err != nil {
			return fmt.Errorf("write to the terminal: %w", err)
		}
	}
}
