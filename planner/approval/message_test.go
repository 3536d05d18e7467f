package approval

import (
	"strings"
	"testing"
	"time"
)

var (
	testPlan    = "sha256:" + strings.Repeat("9f2c41aa", 8)
	testContext = "sha256:" + strings.Repeat("07be1234", 8)
	testTime    = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)
)

func testMessage() Message {
	return Message{Plan: testPlan, Context: testContext, Name: "anna@example.com", Time: testTime,
		Ticket: "CHG-4711", Comment: "as discussed, größer"}
}

func mustText(t *testing.T, m Message) []byte {
	t.Helper()
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMessageText(t *testing.T) {
	want := "cscs-sync approval v1\nplan " + testPlan + "\ncontext " + testContext +
		"\nname anna@example.com\ntime 2026-11-22T21:40:03Z\nticket CHG-4711\ncomment as " +
		"discussed, größer\n"
	if got := string(mustText(t, testMessage())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	m := testMessage()
	m.Ticket, m.Comment, m.Time = "", "", testTime.In(time.FixedZone("", 3600))
	text := string(mustText(t, m))
	if !strings.HasSuffix(text, "\ntime 2026-11-22T21:40:03Z\nticket\ncomment\n") {
		t.Errorf("empty ticket and comment: %q", text)
	}
	back, err := ParseMessage([]byte(text))
	if err != nil || back.Ticket != "" || back.Comment != "" || !back.Time.Equal(testTime) {
		t.Errorf("parsed %+v, %v", back, err)
	}
}

func TestMessageRefusesToBeMade(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Message)
		want   string
	}{
		"upper case digest": {func(m *Message) { m.Plan = strings.ToUpper(m.Plan) }, "plan"},
		"short digest":      {func(m *Message) { m.Context = "sha256:00" }, "context"},
		"no name":           {func(m *Message) { m.Name = "" }, "--as NAME"},
		"pattern as name": {func(m *Message) { m.Name = "*@example.com" },
			"not allowed in a name"},
		"two names":          {func(m *Message) { m.Name = "anna,ben" }, "not allowed in a name"},
		"newline in comment": {func(m *Message) { m.Comment = "ok\nticket CHG-1" }, "U+000A"},
		"escape in ticket":   {func(m *Message) { m.Ticket = "a\x1b[2Jb" }, "U+001B"},
		"bidi override":      {func(m *Message) { m.Comment = "a\u202eb" }, "U+202E"},
		"bidi isolate":       {func(m *Message) { m.Comment = "a\u2066b" }, "U+2066"},
		"zero width space":   {func(m *Message) { m.Name = "an\u200bna" }, "U+200B"},
		"soft hyphen":        {func(m *Message) { m.Name = "an\u00adna" }, "U+00AD"},
		"hangul filler":      {func(m *Message) { m.Name = "an\u3164na" }, "U+3164"},
		"variation selector": {func(m *Message) { m.Name = "an\ufe0fna" }, "U+FE0F"},
		"blank braille":      {func(m *Message) { m.Comment = "a\u2800b" }, "U+2800"},
		"no-break space":     {func(m *Message) { m.Comment = "a\u00a0b" }, "U+00A0"},
		"line separator":     {func(m *Message) { m.Comment = "a\u2028b" }, "U+2028"},
		"invalid UTF-8":      {func(m *Message) { m.Comment = "a\xffb" }, "UTF-8"},
		"blank at the end":   {func(m *Message) { m.Comment = "a " }, "blanks at its ends"},
		"long comment": {func(m *Message) { m.Comment = strings.Repeat("a", maxComment+1) },
			"at most 1024"},
		"long name": {func(m *Message) { m.Name = strings.Repeat("a", maxName+1) },
			"at most 255"},
		"fraction of second": {func(m *Message) { m.Time = m.Time.Add(time.Millisecond) },
			"whole seconds"},
		"zero time": {func(m *Message) { m.Time = time.Time{} }, "year 1"},
	} {
		m := testMessage()
		c.change(&m)
		if text, err := m.Text(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v; want an error with %q", name, text, err, c.want)
		}
	}
}

func TestParseMessageRefusesOtherForms(t *testing.T) {
	good := string(mustText(t, testMessage()))
	for name, text := range map[string]string{
		"empty":             "",
		"other version":     strings.Replace(good, "v1", "v2", 1),
		"CRLF":              strings.ReplaceAll(good, "\n", "\r\n"),
		"no last line feed": strings.TrimSuffix(good, "\n"),
		"another line":      good + "more\n",
		"empty line":        good + "\n",
		"lines swapped": strings.Replace(good,
			"ticket CHG-4711\ncomment as discussed, größer\n",
			"comment as discussed, größer\nticket CHG-4711\n", 1),
		"ticket missing":   strings.Replace(good, "ticket CHG-4711\n", "", 1),
		"bare with blank":  strings.Replace(good, "ticket CHG-4711\n", "ticket \n", 1),
		"two blanks":       strings.Replace(good, "ticket ", "ticket  ", 1),
		"time with offset": strings.Replace(good, "21:40:03Z", "22:40:03+01:00", 1),
		"time with comma":  strings.Replace(good, "21:40:03Z", "21:40:03,0Z", 1),
		"time of 1 digit":  strings.Replace(good, "T21:", "T9:", 1),
		"byte order mark":  "\ufeff" + good,
		"too long":         good + strings.Repeat("a", maxMessage),
	} {
		if m, err := ParseMessage([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
}

func FuzzMessage(f *testing.F) {
	m := testMessage()
	text, err := m.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	m.Ticket, m.Comment = "", ""
	text, err = m.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseMessage(text)
		if err != nil {
			return
		}
		if again := mustText(t, m); string(again) != string(text) {
			t.Fatalf("parsed %q, marshalled %q", text, again)
		}
	})
}
