package approval

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PolicyPrefix begins the name of each approval that a policy gave, and of no other approval.
const PolicyPrefix = "policy:"

// digestPrefix names the only digest in use.
const digestPrefix = "sha256:"

// checkDigest accepts "sha256:" and 64 lower-case hex digits.
func checkDigest(what, s string) error {
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" {
		return nil
	}
	return fmt.Errorf("approval message: %s %.80q: want sha256: and 64 lower-case hex digits", what,
		s)
}

// checkName refuses the characters of ssh-keygen's pattern lists: a signer who may use any name
// that matches a pattern must not be able to sign as the pattern itself.
func checkName(s string) error {
	if s == "" {
		return fmt.Errorf("approval message: the name is empty; give the approver's name with --as NAME")
	}
	if strings.ContainsAny(s, `*?!,"\`) {
		return fmt.Errorf("approval message: name %q: "+
			`the characters * ? ! , " \ are not allowed in a name`, s)
	}
	return checkText("name", s, maxName)
}

// checkText refuses characters that a reader could not see, or would see in another order than they
// were signed.
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

// visible reports whether a person can see the rune. [unicode.IsPrint] already excludes control,
// format (bidirectional, zero width), private and unassigned characters, and all blanks except the
// ASCII one. visible also excludes letters and marks that render as nothing.
func visible(r rune) bool {
	const brailleBlank = '\u2800'
	return unicode.IsPrint(r) && r != brailleBlank && r != utf8.RuneError &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
