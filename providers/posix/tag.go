package posix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	// tagDepth is how deep a tree may be to be tagged. A descriptor is held for each level.
	tagDepth = 500
	// tagNames is how many names of a directory are read at a time.
	tagNames = 1024
	// tagTells is how many entries are tagged between two reports of progress.
	tagTells = 10_000
)

// Tag gives everything below the directory, and finally the directory itself, a project id that new
// entries inherit.
//
// Each directory is tagged before it is read, so that whatever is created or moved in meanwhile
// already has the id. Only the top directory comes last. What was created in it until then is
// looked for once more. So a top directory that has the id means that everything below it has it,
// too. After a kill, the caller just calls Tag again: entries that have the id are skipped.
//
// Nothing outside of the tree is touched. No link is followed, and no mount is crossed: a mount
// below is refused before anything is changed. A file with several hard links is tagged only if all
// of them are in the tree; left counts the other files. Links, fifos, sockets and devices keep
// their id: they use one inode each, and cannot be opened without harm.
//
// Entries that cannot be tagged are counted, and the first reason is returned after all other
// entries are done. The top directory is then left as it was.
func (d *Dir) Tag(ctx context.Context, id planner.ProjectID,
	tell func(seen int)) (left int, err error) {
	what := fmt.Sprintf("set project id %d below", id)
	if err := d.compare(what); err != nil {
		return 0, err
	}
	if err := d.system.noMounts(d); err != nil {
		return 0, fmt.Errorf("%s %s: %w", what, d.Path(), err)
	}
	t := &tagging{ctx: ctx, root: d.system.root, id: uint32(id), tell: tell,
		linked: map[uint64]uint64{}}
	t.tagBelow(d.fd, d.Path(), 0)
	if err := t.result(what, d.Path()); err != nil {
		return 0, err
	}
	if err := d.SetProject(id); err != nil {
		return 0, err
	}
	t.again = true
	t.tagBelow(d.fd, d.Path(), 0)
	return len(t.linked), t.result(what, d.Path())
}

// tagging is one walk through a tree.
type tagging struct {
	ctx  context.Context
	root *Root
	id   uint32
	tell func(seen int)
	seen int
	// again is set on the second walk from the top directory, which enters only directories that were
	// not tagged yet.
	again bool
	// linked counts, by inode, the names of a file that were not met yet.
	linked map[uint64]uint64
	failed int
	first  error
}

func (t *tagging) fail(path string, err error) {
	if err == unix.ENOENT {
		return // removed in the meantime
	}
	if t.failed++; t.first == nil {
		t.first = fmt.Errorf("%s: %w", path, explain(err))
	}
}

func (t *tagging) result(what, path string) error {
	switch {
	case t.ctx.Err() != nil:
		return fmt.Errorf("%s %s: interrupted after %d entries; the next apply continues: %w", what, path,
			t.seen, t.ctx.Err())
	case t.failed > 0:
		return fmt.Errorf("%s %s: %d of %d entries could not be tagged, and the directory's own id was "+
			"not changed; the first: %w", what, path, t.failed, t.seen, t.first)
	}
	return nil
}

// tagBelow tags everything in the open directory fd.
func (t *tagging) tagBelow(fd int, path string, depth int) {
	if depth == tagDepth {
		t.fail(path, fmt.Errorf("it is more than %d directories deep", tagDepth))
		return
	}
	again, err := openat2(fd, ".", readDir, within) // has its own position
	if err != nil {
		t.fail(path, err)
		return
	}
	dir := os.NewFile(uintptr(again), path)
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(tagNames)
		for _, name := range names {
			if t.ctx.Err() != nil {
				return
			}
			t.entry(fd, name, path+"/"+name, depth)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.fail(path, err)
			return
		}
	}
}

// entry tags one entry and everything below it. It holds the entry without opening it, and opens it
// only once it is known to be a file or a directory on the same mount.
func (t *tagging) entry(at int, name, path string, depth int) {
	if t.seen++; t.seen%tagTells == 0 {
		t.tell(t.seen)
	}
	hold, err := openat2(at, name, look, within)
	if err != nil {
		t.fail(path, err)
		return
	}
	defer unix.Close(hold)
	st, err := fstat(hold)
	if err != nil {
		t.fail(path, err)
		return
	}
	switch {
	case isDir(st.Mode):
		t.directory(hold, path, depth)
	case st.Mode&unix.S_IFMT == unix.S_IFREG && t.hasAllNames(&st):
		t.file(hold, path)
	}
}

// hasAllNames reports whether this is the last name of a file, because all others have been met in
// the tree.
func (t *tagging) hasAllNames(st *unix.Stat_t) bool {
	if st.Nlink <= 1 {
		return true
	}
	if t.again {
		return false
	}
	missing, met := t.linked[st.Ino]
	if !met {
		missing = uint64(st.Nlink)
	}
	if missing--; missing > 0 {
		t.linked[st.Ino] = missing
		return false
	}
	delete(t.linked, st.Ino)
	return true
}

func (t *tagging) directory(hold int, path string, depth int) {
	fd, err := openat2(hold, ".", readDir, within)
	if err != nil {
		t.fail(path, err)
		return
	}
	defer unix.Close(fd)
	changed, err := t.set(fd, inheritFlag)
	if err != nil {
		t.fail(path, err)
		return
	}
	if changed || !t.again {
		t.tagBelow(fd, path, depth+1)
	}
}

// file opens what hold holds, and nothing else: by now, the name may lead elsewhere.
func (t *tagging) file(hold int, path string) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(hold), flags, 0)
	if err != nil {
		t.fail(path, err)
		return
	}
	defer unix.Close(fd)
	if _, err := t.set(fd, 0); err != nil {
		t.fail(path, err)
	}
}

// set gives an open file or directory the id and the flags, if it lacks any of them.
func (t *tagging) set(fd int, flags uint32) (changed bool, err error) {
	a, err := t.root.getAttributes(fd)
	if err != nil || a.projectID == t.id && a.flags&flags == flags {
		return false, err
	}
	a.projectID, a.flags = t.id, a.flags|flags
	return true, t.root.attributes(fd, setAttributesIoctl, &a)
}
