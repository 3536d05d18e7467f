package lfssim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Call is one entry of the log: a run of lfs, whether or not it succeeded.
type Call struct {
	Time time.Time `json:"time"` // by the state's clock
	UID  int       `json:"uid"`
	Args []string  `json:"args"` // without the program's name
}

func logPath(state string) string { return filepath.Join(state+".d", "log") }

// log appends a call to the log without reading the file.
func (s *store) log(c Call) error {
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("log the call: %w", err)
	}
	f, err := os.OpenFile(logPath(s.path), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("log the call: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("log the call: %w", err)
	}
	return nil
}

// ReadLog returns the calls made with a state, oldest first.
func ReadLog(path string) ([]Call, error) {
	data, err := os.ReadFile(logPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	var calls []Call
	for line := range bytes.Lines(data) {
		var c Call
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("read the log, line %d: %w", len(calls)+1, err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}
