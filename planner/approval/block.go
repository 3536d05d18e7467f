package approval

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
)

// pemType is the type of an approval's PEM block, in a plan file or in a file of its own.
const pemType = "CSCS-SYNC APPROVAL"

// maxBlock is the most bytes of a block. The longest real one (with an RSA certificate of 16,384
// bits) has a third of that.
const maxBlock = 64 << 10

// format is the version of the payload.
const format = 1

// Kind says how an approval is bound to the person who gave it.
type Kind string

// The kinds of approvals.
const (
	// KindSSH is signed with an SSH key.
	KindSSH Kind = "ssh"
	// KindLocal is given on the node, with the key beside the state.
	KindLocal Kind = "local"
	// KindPolicy is given by the auto_approve policy, with the same key.
	KindPolicy Kind = "policy"
)

// Approval is one approval: a message and its proof.
type Approval struct {
	Message Message
	Kind    Kind
	// Login is the account that gave a local or policy approval; empty for a signed one.
	Login string
	// Proof is an SSHSIG blob (kind ssh) or a MAC of 32 bytes.
	Proof []byte
}

// payload is the JSON in a block. The order of its members is part of the format.
type payload struct {
	Format    int    `json:"format"`
	Kind      Kind   `json:"kind"`
	Login     string `json:"login,omitempty"`
	Message   string `json:"message"`
	Signature string `json:"signature"`
}

// Block returns the approval as a canonical PEM block: no headers, lines of 64 characters, each
// ended by LF.
func (a Approval) Block() ([]byte, error) {
	text, err := a.Message.Text()
	if err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	p := payload{Format: format, Kind: a.Kind, Login: a.Login, Message: string(text),
		Signature: a.proofText()}
	b, err := encode(p)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: b}), nil
}

// proofText returns the proof as the payload has it: the text that ssh-keygen reads, or the MAC in
// hex.
func (a Approval) proofText() string {
	if a.Kind == KindSSH {
		return string(armor(a.Proof))
	}
	return macText(a.Proof)
}

func encode(p payload) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("approval block: encode: %w", err)
	}
	return b.Bytes(), nil
}

// check refuses what cannot be an approval, whoever gave it.
func (a Approval) check() error {
	named := len(a.Message.Name) > len(PolicyPrefix) &&
		a.Message.Name[:len(PolicyPrefix)] == PolicyPrefix
	switch a.Kind {
	case KindSSH:
		if a.Login != "" {
			return fmt.Errorf("approval block: a signed approval has no login, this one has %q",
				a.Login)
		}
	case KindLocal, KindPolicy:
		if a.Login == "" {
			return fmt.Errorf("approval block: an approval of kind %s needs the login that gave it",
				a.Kind)
		}
		if len(a.Proof) != macSize {
			return fmt.Errorf("approval block: the MAC has %d bytes, want %d", len(a.Proof),
				macSize)
		}
	default:
		return fmt.Errorf("approval block: unknown kind %.40q", string(a.Kind))
	}
	if named != (a.Kind == KindPolicy) {
		return fmt.Errorf("approval block: name %q: names beginning with %q are for approvals by "+
			"policy, and they have no other", a.Message.Name,
			PolicyPrefix)
	}
	return checkText("login", a.Login, maxName)
}

// Parse reads one block. [Approval.Block] returns an accepted block byte for byte. Parse checks no
// proof; see [Judge].
func Parse(block []byte) (Approval, error) {
	if len(block) > maxBlock {
		return Approval{}, fmt.Errorf("approval block: %d bytes, at most %d are allowed",
			len(block), maxBlock)
	}
	p, rest := pem.Decode(block)
	if p == nil || p.Type != pemType {
		return Approval{}, fmt.Errorf("approval block: not a PEM block of type %s", pemType)
	}
	if len(rest) != 0 || len(p.Headers) != 0 || !bytes.Equal(pem.EncodeToMemory(p), block) {
		return Approval{}, fmt.Errorf(
			"approval block: not in its canonical form; it was changed after it " +
				"was written: ask for the approval again")
	}
	a, err := fromPayload(p.Bytes)
	if err != nil {
		return Approval{}, err
	}
	again, err := a.Block()
	if err != nil {
		return Approval{}, err
	}
	if !bytes.Equal(again, block) {
		return Approval{}, fmt.Errorf(
			"approval block: its content is not in the canonical form; it was not made by " +
				"cscs-sync approve: ask for the approval again")
	}
	return a, nil
}

func fromPayload(data []byte) (Approval, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var p payload
	if err := d.Decode(&p); err != nil {
		return Approval{}, fmt.Errorf("approval block: its content: %w", err)
	}
	if p.Format != format {
		return Approval{}, fmt.Errorf(
			"approval block: format %d is unknown, this cscs-sync reads %d", p.Format, format)
	}
	m, err := ParseMessage([]byte(p.Message))
	if err != nil {
		return Approval{}, fmt.Errorf("approval block: %w", err)
	}
	a := Approval{Message: m, Kind: p.Kind, Login: p.Login}
	if p.Kind == KindSSH {
		a.Proof, err = unarmor([]byte(p.Signature))
	} else {
		a.Proof, err = parseMAC(p.Signature)
	}
	if err != nil {
		return Approval{}, fmt.Errorf("approval block: %w", err)
	}
	return a, nil
}

// Detached reads an approval that came in a file of its own, perhaps through a mail or a ticket, so
// it accepts CRLF and blanks at the ends of lines. It returns the canonical block for a plan file.
func Detached(file []byte) ([]byte, error) {
	if len(file) > maxBlock {
		return nil, fmt.Errorf("approval file: %d bytes, at most %d are allowed", len(file),
			maxBlock)
	}
	lines := bytes.Split(bytes.TrimSpace(file), []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimRight(lines[i], " \t\r")
	}
	block := append(bytes.Join(lines, []byte("\n")), '\n')
	if _, err := Parse(block); err != nil {
		return nil, err
	}
	return block, nil
}
