package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/waldur/cscs-storage-sync/planner"
)

// fingerprint is the SHA-256 of all that makes a plan another plan: evaluated systems, storage, approval and
// waldur.url. The order of blocks and files, comments and layout do not count; overrides do not either, since a plan
// holds what they made. A member added here makes every plan stale, once.
func fingerprint(c *Config) string {
	b, err := json.Marshal(struct {
		Version  int
		Systems  []planner.System
		Storage  Storage
		Tera     planner.Bytes
		MinGID   planner.GID
		Parents  planner.ParentsPolicy
		Approval Approval
		Waldur   string
	}{1, c.Settings.Systems, c.Storage, c.Settings.Tera, c.Settings.MinGID, c.Settings.Parents, c.Approval, c.Settings.Waldur.URL})
	if err != nil {
		return "" // not possible: plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
