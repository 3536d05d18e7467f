package approval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"golang.org/x/crypto/ssh"
)

// identity names what was approved, in hex: the message and the key that signed it. It leaves out
// the proof and its encoding, because one message and one key can have many: ECDSA and security
// tokens sign differently each time, (r, n−s) is as good as (r, s), SSHSIG has two hashes, and a
// key can have any number of certificates. An approval may be used once, in whichever form. key is
// nil for a MAC, because the node has only one key.
func (a Approval) identity(key ssh.PublicKey) (string, error) {
	text, err := a.Message.Text()
	if err != nil {
		return "", err
	}
	var voucher []byte
	if key != nil {
		voucher = plainKey(key).Marshal()
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(a.Kind), []byte(a.Login), voucher, text} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
