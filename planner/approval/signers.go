package approval

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxSigners is the most bytes that an allowed_signers file may have.
const maxSigners = 1 << 20

// Signers are the people who may approve, with their keys, as an allowed_signers file lists them.
type Signers struct {
	lines    []signerLine
	problems []error
}

// signerLine is one usable line.
type signerLine struct {
	number     int
	principals string
	key        ssh.PublicKey
	options    signerOptions
}

// ParseSigners reads allowed_signers as described in ssh-keygen(1). Like ssh-keygen, it leaves out
// lines that it cannot use, which never lets anybody in; [Signers.Problems] returns them. Times
// without a Z are in zone.
func ParseSigners(file []byte, zone *time.Location) (*Signers, error) {
	if len(file) > maxSigners {
		return nil, fmt.Errorf("allowed_signers: %d bytes, at most %d are allowed", len(file),
			maxSigners)
	}
	s := new(Signers)
	for i, text := range strings.Split(string(file), "\n") {
		text = strings.TrimRight(strings.TrimLeft(text, " \t"), "\r")
		if text == "" || text[0] == '#' {
			continue
		}
		l, err := parseSigner(text, zone)
		if err != nil {
			s.problems = append(s.problems, fmt.Errorf("allowed_signers line %d: %w", i+1, err))
			continue
		}
		l.number = i + 1
		s.lines = append(s.lines, l)
	}
	return s, nil
}

// Problems returns the lines that were left out, and why, in the order of the file.
func (s *Signers) Problems() []error { return s.problems }

// Len returns the number of usable lines.
func (s *Signers) Len() int { return len(s.lines) }

// parseSigner reads "principals [options] type base64 [comment]".
func parseSigner(text string, zone *time.Location) (signerLine, error) {
	if strings.ContainsRune(text, 0) {
		return signerLine{}, fmt.Errorf("it has a NUL byte")
	}
	principals, rest, ok := cutPrincipals(text)
	if !ok || rest == "" {
		return signerLine{}, fmt.Errorf("want principals, perhaps options, and a key")
	}
	l := signerLine{principals: principals}
	// Options and key types look alike. As in ssh-keygen, a word that does not begin a key is an
	// option.
	key, err := parseKey(rest)
	if err != nil {
		end, ok := optionsEnd(rest)
		if !ok {
			return signerLine{}, fmt.Errorf("options: a quote is not closed")
		}
		if key, err = parseKey(strings.TrimLeft(rest[end:], " \t")); err != nil {
			return signerLine{}, err
		}
		if l.options, err = parseOptions(rest[:end], zone); err != nil {
			return signerLine{}, fmt.Errorf("options: %w", err)
		}
	}
	if _, is := key.(*ssh.Certificate); is {
		return signerLine{},
			fmt.Errorf("it lists a certificate; list the key, or the certificate's authority " +
				"with the option cert-authority")
	}
	l.key = key
	return l, nil
}

// cutPrincipals splits off the first word. A quoted part of it may have blanks, and the closing
// quote ends the word.
func cutPrincipals(s string) (word, rest string, ok bool) {
	const blanks = " \t\r"
	i := strings.IndexAny(s, blanks+`"`)
	if i < 0 {
		return "", "", false
	}
	if s[i] != '"' {
		return s[:i], strings.TrimLeft(s[i:], blanks), true
	}
	quoted, rest, ok := strings.Cut(s[i+1:], `"`)
	return s[:i] + quoted, strings.TrimLeft(rest, blanks), ok
}

// optionsEnd returns where the options end: at a blank outside quotes.
func optionsEnd(s string) (int, bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && (s[i] == ' ' || s[i] == '\t'):
			return i, true
		}
	}
	return len(s), !quoted
}
