package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// archive writes a cpio archive in the format "newc", which the kernel unpacks at start. Each entry
// is a header of 13 numbers of eight hex digits, the name, and the content; name and content are
// padded to four bytes. The kernel's document early-userspace/buffer-format describes the format.
type archive struct {
	w     io.Writer
	inode int
	size  int64
	err   error
}

func newArchive(w io.Writer) *archive { return &archive{w: w} }

// Types and modes of entries.
const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (a *archive) dir(name string) { a.entry(name, modeDir, 0, strings.NewReader("")) }

func (a *archive) text(name, content string) {
	a.entry(name, modeFile, int64(len(content)), strings.NewReader(content))
}

// file adds a file from the host.
func (a *archive) file(name, path string) {
	if a.err != nil {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		a.err = err
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		a.err = err
		return
	}
	a.entry(name, modeFile, info.Size(), f)
}

// close ends the archive and returns the first error.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, strings.NewReader(""))
	return a.err
}

func (a *archive) entry(name string, mode int, size int64, content io.Reader) {
	a.inode++
	a.write(fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name))
	a.pad()
	if a.err == nil {
		var n int64
		n, a.err = io.Copy(a.w, content)
		a.size += n
	}
	a.pad()
}

func (a *archive) pad() {
	if rest := a.size % 4; rest != 0 {
		a.write("\x00\x00\x00\x00"[rest:])
	}
}

func (a *archive) write(s string) {
	if a.err == nil {
		_, a.err = io.WriteString(a.w, s)
		a.size += int64(len(s))
	}
}
