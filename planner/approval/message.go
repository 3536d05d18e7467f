package approval

import (
	"fmt"
	"strings"
	"time"
)

// first is the first line of every message. Any other version is refused.
const first = "cscs-sync approval v1"

// Limits of what people write into a message, in bytes of UTF-8. They keep a message readable on a
// screen.
const (
	maxName    = 255
	maxTicket  = 255
	maxComment = 1024
)

// maxMessage is more bytes than the longest message can have. Longer input is not read.
const maxMessage = 4096

// timeLayout is RFC 3339 in UTC, to the second, the only form of a time in a message.
const timeLayout = "2006-01-02T15:04:05Z"

// Message is what an approver signs. Each message has exactly one text, and [ParseMessage] accepts
// no other.
type Message struct {
	// Plan is the plan's id, and Context is the digest of the whole machine's part. Both are "sha256:"
	// and 64 lower-case hex digits.
	Plan    string
	Context string
	// Name is the principal who approves. Pattern characters are refused, so that it is one name and
	// not many.
	Name string
	// Time is when the approver signed, in UTC, to the second.
	Time time.Time
	// Ticket and Comment may be empty.
	Ticket  string
	Comment string
}

// Text returns the message as it is signed: seven lines, each ended by LF. An empty ticket or
// comment leaves the bare word.
func (m Message) Text() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(first + "\n")
	for _, l := range m.lines() {
		b.WriteString(l.word)
		if l.value != "" {
			b.WriteString(" " + l.value)
		}
		b.WriteString("\n")
	}
	return []byte(b.String()), nil
}

type line struct{ word, value string }

// lines returns the lines after the first, in order.
func (m Message) lines() []line {
	return []line{
		{"plan", m.Plan},
		{"context", m.Context},
		{"name", m.Name},
		{"time", m.Time.UTC().Format(timeLayout)},
		{"ticket", m.Ticket},
		{"comment", m.Comment},
	}
}

// check refuses a message that has no canonical text.
func (m Message) check() error {
	if err := checkDigest("plan", m.Plan); err != nil {
		return err
	}
	if err := checkDigest("context", m.Context); err != nil {
		return err
	}
	if err := checkName(m.Name); err != nil {
		return err
	}
	if err := checkTime(m.Time); err != nil {
		return err
	}
	if err := checkText("ticket", m.Ticket, maxTicket); err != nil {
		return err
	}
	return checkText("comment", m.Comment, maxComment)
}

func checkTime(t time.Time) error {
	if t.Nanosecond() != 0 {
		return fmt.Errorf("approval message: time %s: want whole seconds",
			t.UTC().Format(time.RFC3339Nano))
	}
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("approval message: time: year %d is not between 1970 and 9999", y)
	}
	return nil
}

// ParseMessage reads the text of a message. [Message.Text] returns an accepted text byte for byte.
func ParseMessage(text []byte) (Message, error) {
	if len(text) > maxMessage {
		return Message{}, fmt.Errorf("approval message: %d bytes, at most %d are allowed",
			len(text), maxMessage)
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != first {
		return Message{}, fmt.Errorf("approval message: the first line is %.40q, want %q", lines[0],
			first)
	}
	if len(lines) != 8 || lines[7] != "" {
		return Message{}, fmt.Errorf(
			"approval message: want exactly seven lines, each ended by a line feed")
	}
	m, err := fromLines(lines[1:7])
	if err != nil {
		return Message{}, err
	}
	again, err := m.Text()
	if err != nil {
		return Message{}, err
	}
	if string(again) != string(text) {
		return Message{}, fmt.Errorf(
			"approval message: not in its canonical form; print it again with cscs-sync approve " +
				"--print-message")
	}
	return m, nil
}

func fromLines(lines []string) (Message, error) {
	var m Message
	var when string
	for i, to := range []struct {
		word  string
		value *string
	}{{"plan", &m.Plan}, {"context", &m.Context}, {"name", &m.Name}, {"time", &when},
		{"ticket", &m.Ticket}, {"comment", &m.Comment}} {
		word, value, _ := strings.Cut(lines[i], " ")
		if word != to.word {
			return Message{}, fmt.Errorf("approval message: line %d begins with %.40q, want %q",
				i+2, word, to.word)
		}
		*to.value = value
	}
	t, err := time.Parse(timeLayout, when)
	if err != nil {
		return Message{}, fmt.Errorf(
			"approval message: time %.40q: want UTC to the second, such as 2026-11-22T21:40:03Z",
			when)
	}
	m.Time = t
	return m, nil
}
