package approval

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
)

// armorType is the PEM type of ssh-keygen's signatures.
const armorType = "SSH SIGNATURE"

// armor encodes an SSHSIG blob so that ssh-keygen reads it.
func armor(blob []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: armorType, Bytes: blob})
}

// unarmor reads a signature as ssh-keygen writes it: with lines of any length, LF or CRLF, and
// nothing else around it.
func unarmor(text []byte) ([]byte, error) {
	if len(text) > maxBlock {
		return nil, fmt.Errorf("ssh signature: %d bytes, at most %d are allowed", len(text),
			maxBlock)
	}
	text = bytes.TrimSpace(text)
	p, rest := pem.Decode(text)
	if p == nil || p.Type != armorType {
		return nil, fmt.Errorf(
			"ssh signature: not a PEM block of type %s; make it with ssh-keygen -Y sign", armorType)
	}
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) || len(rest) != 0 || len(p.Headers) != 0 {
		return nil, fmt.Errorf(
			"ssh signature: there is text around the signature, or a header in it")
	}
	if !canonical(text, p.Bytes) {
		return nil, fmt.Errorf("ssh signature: its base64 has spare bits that are not zero: " +
			"use the file as ssh-keygen wrote it")
	}
	return p.Bytes, nil
}

// canonical reports whether the body of a PEM block is the canonical base64 of its bytes. The last
// letter has spare bits, which readers ignore.
func canonical(block, decoded []byte) bool {
	_, body, _ := bytes.Cut(block, []byte("\n"))
	body = body[:max(0, bytes.LastIndex(body, []byte("-----END ")))]
	return string(bytes.Join(bytes.Fields(body), nil)) == base64.StdEncoding.EncodeToString(decoded)
}
