package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
)

// keySize is the size of the approval key in bytes.
const keySize = 32

// ApprovalKey returns the key with which local approvals are made. It creates the key if there is
// none.
func (s *Store) ApprovalKey() ([]byte, error) {
	key, err := s.ReadApprovalKey()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	dir, err := folder.Open(s.dir, true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := s.makeKey(dir); err != nil {
		return nil, folder.Explain("make", s.keyPath(), err)
	}
	return s.ReadApprovalKey()
}

// ReadApprovalKey returns the key if there is one. Otherwise the error is [fs.ErrNotExist].
func (s *Store) ReadApprovalKey() ([]byte, error) {
	dir, err := folder.Open(s.dir, false)
	if err != nil {
		return nil, err
	}
	if dir == nil {
		return nil, fmt.Errorf("approval key %s: %w", s.keyPath(), fs.ErrNotExist)
	}
	defer dir.Close()
	f, err := folder.OpenAt(dir, keyName, s.keyPath(), unix.O_RDONLY, 0)
	if err != nil {
		return nil, folder.Explain("read approval key", s.keyPath(), err)
	}
	defer f.Close()
	if err := folder.Trusted(f, s.keyPath(), unix.S_IFREG, 0o077); err != nil {
		return nil, err
	}
	key, err := io.ReadAll(io.LimitReader(f, keySize+1))
	if err != nil {
		return nil, folder.Explain("read approval key", s.keyPath(), err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("approval key %s: want %d bytes, got another number: move it away, so "+
			"that a new key is created; then approve again", s.keyPath(), keySize)
	}
	return key, nil
}

func (s *Store) keyPath() string { return filepath.Join(s.dir, keyName) }

// makeKey writes and syncs a new key under a temporary name, and then links it to its place. So
// nobody can read an incomplete key, and if two processes make a key, the first one wins.
func (s *Store) makeKey(dir *os.File) error {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(s.options.Random, key); err != nil {
		return err
	}
	temp, err := os.CreateTemp(s.dir, "."+keyName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(key)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), s.keyPath()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return dir.Sync()
}
