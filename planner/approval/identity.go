package approval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"golang.org/x/crypto/ssh"
)

// identity names what was given, in hex: the message, and who vouches for it. It leaves out the
// proof and how it is encoded, because of one message and one key there are many: ECDSA and
// security tokens sign differently each time, (r, n−s) is as good as (r, s), SSHSIG has two hashes,
// and a key has any number of certificates. An approval serves once, whichever it is. key is nil
// for a MAC: the node has one.
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
