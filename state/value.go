package state

import (
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// A value consists of one byte of version, the CRC-32C of its bucket, key and body (4 bytes, big
// endian), and the body. The body is binary for types with a binary form: records, because every
// plan reads all of them, notes of what was written, and documents, which are stored as they are.
// For all other types it is JSON.
const (
	valueVersion = 1
	valueHeader  = 5
)

// seal returns the form in which v is stored at key in bucket.
func seal(bucket string, key []byte, v any) ([]byte, error) {
	out, err := appendValue(make([]byte, valueHeader, valueHeader+128), v)
	if err != nil {
		return nil, err
	}
	out[0] = valueVersion
	binary.BigEndian.PutUint32(out[1:], checksum(bucket, key, out[valueHeader:]))
	return out, nil
}

func appendValue(out []byte, v any) ([]byte, error) {
	if b, ok := v.(encoding.BinaryAppender); ok {
		return b.AppendBinary(out)
	}
	body, err := json.Marshal(v)
	return append(out, body...), err
}

func decode(body []byte, v any) error {
	if b, ok := v.(encoding.BinaryUnmarshaler); ok {
		return b.UnmarshalBinary(body)
	}
	return json.Unmarshal(body, v)
}

// checksum covers the value and its place, so that a value under another key counts as damage, too.
// The bucket, a NUL byte, and the length of the key as a varint come first. They are added byte by
// byte, because slices for crc32 would be allocated for every value of the file.
func checksum(bucket string, key, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := ^uint32(0)
	add := func(b byte) { sum = table[byte(sum)^b] ^ sum>>8 }
	for i := range len(bucket) {
		add(bucket[i])
	}
	add(0)
	var length [binary.MaxVarintLen64]byte
	for _, b := range length[:binary.PutUvarint(length[:], uint64(len(key)))] {
		add(b)
	}
	return crc32.Update(crc32.Update(^sum, table, key), table, body)
}

// unseal checks a stored value and returns its body, which shares memory with raw, and its
// checksum.
func unseal(bucket string, key, raw []byte) (body []byte, sum uint32, err error) {
	if len(raw) < valueHeader {
		return nil, 0, fmt.Errorf("value of %d bytes: too short", len(raw))
	}
	if raw[0] != valueVersion {
		return nil, 0, fmt.Errorf("unknown value version %d", raw[0])
	}
	body = raw[valueHeader:]
	sum = binary.BigEndian.Uint32(raw[1:])
	if sum != checksum(bucket, key, body) {
		return nil, 0, errors.New("wrong checksum")
	}
	return body, sum, nil
}

// keyBytes returns the stored form of a resource's key. It sorts like [planner.Key.Compare].
func keyBytes(k planner.Key) ([]byte, error) {
	if why := k.Unfit(); why != "" {
		return nil, fmt.Errorf("resource %.40q: %w: %s", k.Item, ledger.ErrUnfit, why)
	}
	return []byte(k.Item + "\x00" + k.System + "\x00" + k.DataType), nil
}

// keyOf returns the resource's key for a stored key.
func keyOf(stored []byte) planner.Key {
	item, rest, _ := strings.Cut(string(stored), "\x00")
	system, dataType, _ := strings.Cut(rest, "\x00")
	return planner.Key{Item: item, System: system, DataType: dataType}
}

// numberKey returns the stored form of a number. It sorts like numbers do.
func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// showKey returns a stored key in the form for people: a number, or the parts of a resource's key
// separated by slashes.
func showKey(bucket string, key []byte) string {
	if numbered(bucket) && len(key) == 8 {
		return fmt.Sprint(binary.BigEndian.Uint64(key))
	}
	if bucket == bucketSteps && len(key) > 9 {
		plan, n := key[:len(key)-9], binary.BigEndian.Uint64(key[len(key)-8:])
		return string(plan) + "/" + fmt.Sprint(n)
	}
	return strings.ReplaceAll(string(key), "\x00", "/")
}
