package approval

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PolicyPrefix begins the name of every approval that a policy gave, and of no other.
const PolicyPrefix = "policy:"

// digestPrefix names the only digest there is.
const digestPrefix = "sha256:"

// checkDigest wants "sha256:" and 64 lower-case hex digits.
func checkDigest(what, s string) error {
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" {
		return nil
	}
	return fmt.Errorf("approval message: %s %.80q: want sha256: and 64 lower-case hex digits", what,
		s)
}

// checkName refuses the characters of ssh-keygen's pattern lists: a signer who may use any name
// below a pattern must not be able to sign as the pattern.
func checkName(s string) error {
	if s == "" {
		return fmt.Errorf("approval message: the name is empty; give the approver's name with --as NAME")
	}
	if strings.ContainsAny(s, `*?!,"\`) {
		return fmt.Errorf(`approval message: name %q: the characters * ? ! , " \ are not allowed in a name`, s)
	}
	return checkText("name", s, MaxName)
}

// checkText refuses what a reader could not see, or would see in another order than it was signed.
func checkText(what, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("approval message: the %s has %d bytes, at most %d are allowed", what,
			len(s), most)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("approval message: the %s is not valid UTF-8", what)
	}
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("approval message: %s %q: blanks at its ends are not allowed", what, s)
	}
	for _, r := range s {
		if !visible(r) {
			return fmt.Errorf("approval message: %s %+q: the character %U is a control character "+
				"or invisible; leave it out", what, s, r)
		}
	}
	return nil
}

// visible reports whether a person sees the rune where it stands. [unicode.IsPrint] already leaves
// out control, format (bidirectional, zero width), private and unassigned characters, and all
// blanks but the ASCII one; what is left out besides are letters and marks that render as nothing.
func visible(r rune) bool {
	const brailleBlank = '\u2800'
	return unicode.IsPrint(r) && r != brailleBlank && r != utf8.RuneError &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
