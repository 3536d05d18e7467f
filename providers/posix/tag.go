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
	// tagDepth is how deep a tree may be to be tagged: a descriptor is held for each level.
	tagDepth = 500
	// tagNames is how many names of a directory are read at a time.
	tagNames = 1024
	// tagTells is after how many entries progress is told.
	tagTells = 10_000
)

// Tag gives everything below the directory, and at last the directory itself, a project id that new entries inherit.
//
// A directory is tagged before it is read, so that what is made or moved in meanwhile has the id already; only the top one
// comes last, and what was made in it until then is looked for once more. So a top directory that has the id means that all
// below has it, and a killed call is simply repeated: what has the id is passed over. Nothing outside is touched: no link is
// followed, no mount crossed (one below is refused before anything is changed), and a file with several hard links is tagged
// only if all of them are met in the tree; left counts the others. Links, fifos, sockets and devices keep their id: they use
// an inode each, and cannot be opened without harm. What cannot be tagged is counted, and the first reason returned, when all
// else is done; the top directory is then left as it was.
func (d *Dir) Tag(ctx context.Context, id planner.ProjectID, tell func(seen int)) (left int, err error) {
	what := fmt.Sprintf("set project id %d below", id)
	if err := d.compare(what); err != nil {
		return 0, err
	}
	if err := d.system.noMounts(d); err != nil {
		return 0, fmt.Errorf("%s %s: %w", what, d.Path(), err)
	}
	t := &tagging{ctx: ctx, root: d.system.root, id: uint32(id), tell: tell, linked: map[uint64]uint64{}}
	t.below(d.fd, d.Path(), 0)
	if err := t.result(what, d.Path()); err != nil {
		return 0, err
	}
	if err := d.SetProject(id); err != nil {
		return 0, err
	}
	t.again = true
	t.below(d.fd, d.Path(), 0)
	return len(t.linked), t.result(what, d.Path())
}

// tagging is one walk.
type tagging struct {
	ctx  context.Context
	root *Root
	id   uint32
	tell func(seen int)
	seen int
	// again tells the second look at the top directory, which enters only what was not tagged yet.
	again bool
	// linked counts the names still to be met of files with several.
	linked map[uint64]uint64
	failed int
	first  error
}

func (t *tagging) fail(path string, err error) {
	if err == unix.ENOENT {
		return // gone meanwhile
	}
	if t.failed++; t.first == nil {
		t.first = fmt.Errorf("%s: %w", path, explain(err))
	}
}

func (t *tagging) result(what, path string) error {
	switch {
	case t.ctx.Err() != nil:
		return fmt.Errorf("%s %s: interrupted after %d entries; the next apply continues: %w", what, path, t.seen, t.ctx.Err())
	case t.failed > 0:
		return fmt.Errorf("%s %s: %d of %d entries could not be tagged, and its own id was left as it was; the first: %w", what,
			path, t.failed, t.seen, t.first)
	}
	return nil
}

// below tags what lies in the open directory fd.
func (t *tagging) below(fd int, path string, depth int) {
	if depth == tagDepth {
		t.fail(path, fmt.Errorf("it lies more than %d directories deep", tagDepth))
		return
	}
	again, err := openat2(fd, ".", readDir, within) // a position of its own
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

// entry tags one entry and what lies below it. It is taken hold of without opening it, and opened only once it is known to be
// a file or a directory on the same mount.
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

// hasAllNames tells whether this is the last name of a file: all others have been met in the tree.
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
		t.below(fd, path, depth+1)
	}
}

// file opens what is held, and nothing else: the name may lead elsewhere by now.
func (t *tagging) file(hold int, path string) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(hold), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
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
