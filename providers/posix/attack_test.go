package posix

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// rounds returns how often each attack is tried: CSCS_SYNC_ATTACK_ROUNDS, or 100,000 with
// CSCS_TEST_LONG.
func rounds(t *testing.T) int {
	s := os.Getenv("CSCS_SYNC_ATTACK_ROUNDS")
	switch {
	case s != "":
	case os.Getenv("CSCS_TEST_LONG") != "":
		return 100_000
	default:
		return 10_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// victim is a directory outside of the system that no attack may make us touch. It has mode 0700,
// belongs to user 4711, and is empty.
type victim struct{ *site }

func newVictim(s *site) victim {
	s.mkdir("victim", 0o700)
	s.mkdir("victim/x", 0o700)
	for _, p := range []string{"victim", "victim/x"} {
		s.must(os.Chown(s.real(p), 4711, 4711))
	}
	return victim{s}
}

func (v victim) check(t *testing.T) {
	t.Helper()
	for _, p := range []string{"victim", "victim/x"} {
		var st unix.Stat_t
		v.must(unix.Lstat(v.real(p), &st))
		if st.Uid != 4711 || st.Gid != 4711 || st.Mode&0o7777 != 0o700 {
			t.Errorf("%s was changed: owner %d:%d, mode %04o", p, st.Uid, st.Gid, st.Mode&0o7777)
		}
	}
	if names, err := os.ReadDir(v.real("victim")); err != nil || len(names) != 1 {
		t.Errorf("victim holds %v, %v", names, err)
	}
}

// attack runs swap in a loop next to try, until try was called n times and met the attack often
// enough, or the time is up.
func attack(t *testing.T, n int, swap func(i int), try func(i int), met func() bool) {
	t.Helper()
	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				swap(i)
			}
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < n || !met(); i++ {
			try(i)
			if time.Since(began) > 2*time.Minute && i >= n {
				t.Error("the attack never met the work")
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Minute):
		t.Error("it hangs")
	}
	close(stop)
	<-stopped
}

// swapper puts different things at one place in turn: a link to the victim, a file, a fifo, a link
// to nothing and a directory.
func swapper(path, victim string) func(int) {
	tmp := path + ".swap"
	return func(i int) {
		os.RemoveAll(tmp)
		switch i % 5 {
		case 0:
			os.Symlink(victim, tmp)
		case 1:
			os.WriteFile(tmp, nil, 0o666)
		case 2:
			unix.Mkfifo(tmp, 0o666)
		case 3:
			os.Symlink("nowhere", tmp)
		case 4:
			os.Mkdir(tmp, 0o755)
			os.Mkdir(filepath.Join(tmp, "x"), 0o755)
		}
		if unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE) != nil {
			os.Rename(tmp, path)
		}
	}
}

func TestAttackObserve(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/mid", 0o755)
	s.mkdir("capstor/mid/x", 0o755)
	seen := map[planner.DirState]int{}
	attack(t, rounds(t), swapper(s.real("capstor/mid"), s.real("victim")), func(int) {
		d := s.root.Observe(s.conf, "capstor/mid/x")
		if d.Owner == 4711 {
			t.Error("the victim was looked at")
		}
		if d.State == planner.DirObstructed && d.Why == "" || d.State == planner.DirUnknown &&
			d.Why == "" {
			t.Errorf("no reason: %+v", d)
		}
		seen[d.State]++
	}, func() bool { return seen[planner.DirPresent] > 0 && seen[planner.DirObstructed] > 0 })
	v.check(t)
}

func TestAttackMake(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/mid", 0o755)
	made := 0
	attack(t, rounds(t), swapper(s.real("capstor/mid"), s.real("victim")), func(i int) {
		d, err := s.sys.Make("capstor/mid/n" + strconv.Itoa(i))
		if err != nil {
			return
		}
		made++
		errors.Join(d.DropACLs(), d.Own(1234, 1234), d.Chmod(0o2777), d.Sync())
		d.Close()
	}, func() bool { return made > 0 })
	v.check(t)
}

// The directory itself is replaced between opening it and each change.
func TestAttackChange(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/mid", 0o755)
	s.mkdir("capstor/real", 0o755)
	inode := s.inode("capstor/real")
	opened := 0
	swap := swapper(s.real("capstor/mid"), s.real("victim"))
	attack(t, rounds(t), func(i int) {
		swap(i)
		// Now and then the true directory comes and goes, and a stranger's takes its name.
		unix.Renameat2(unix.AT_FDCWD, s.real("capstor/mid"), unix.AT_FDCWD, s.real("capstor/real"),
			unix.RENAME_EXCHANGE)
		unix.Renameat2(unix.AT_FDCWD, s.real("capstor/mid"), unix.AT_FDCWD, s.real("capstor/real"),
			unix.RENAME_EXCHANGE)
	}, func(int) {
		for _, p := range []string{"capstor/mid", "capstor/real"} {
			d, err := s.sys.Open(p, inode)
			if err != nil {
				continue
			}
			opened++
			if d.inode != inode {
				t.Error("another directory was opened than was asked for")
			}
			errors.Join(d.Own(1234, 1234), d.Chmod(0o2771))
			d.Close()
		}
	}, func() bool { return opened > 0 })
	v.check(t)
	// Only the directory with that inode was changed.
	for _, p := range []string{"capstor/mid", "capstor/real", "capstor/mid.swap"} {
		var st unix.Stat_t
		if unix.Lstat(s.real(p), &st) == nil && st.Ino != inode && st.Uid == 1234 {
			t.Errorf("%s, which is another, was given away", p)
		}
	}
}

// A mount comes and goes over a directory, and over the one above it. Nothing on the mount is ever
// taken for ours, created or changed.
func TestAttackMount(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/up", 0o755)
	s.mkdir("capstor/up/mid", 0o755)
	inode := s.inode("capstor/up/mid")
	s.mkdir("victim/mid", 0o700)
	s.must(os.Chown(s.real("victim/mid"), 4711, 4711))
	refused, done, made := 0, 0, 0
	over := []string{s.real("capstor/up/mid"), s.real("capstor/up")}
	attack(t, rounds(t)/10, func(i int) { // a mount costs much more than a rename
		if unix.Mount(s.real("victim"), over[i%2], "", unix.MS_BIND, "") == nil {
			runtime.Gosched()
			for unix.Unmount(over[i%2], unix.MNT_DETACH) == unix.EBUSY {
				runtime.Gosched()
			}
		}
	}, func(i int) {
		if d := s.root.Observe(s.conf, "capstor/up/mid"); d.Owner == 4711 {
			t.Error("the victim was looked at")
		}
		if d, err := s.sys.Make("capstor/up/mid/n" + strconv.Itoa(i)); err == nil {
			made++
			d.Close()
		}
		d, err := s.sys.Open("capstor/up/mid", inode)
		if err != nil {
			refused++
			return
		}
		if errors.Join(d.Own(1234, 1234), d.Chmod(0o2771), d.Chmod(0o755), d.Own(0, 0)) == nil {
			done++
		}
		d.Close()
	}, func() bool { return done > 0 && refused > 0 && made > 0 })
	unix.Unmount(over[0], unix.MNT_DETACH)
	unix.Unmount(over[1], unix.MNT_DETACH)
	if names, err := os.ReadDir(s.real("victim/mid")); err != nil || len(names) != 0 {
		t.Errorf("made on the mount: %v, %v", names, err)
	}
	var st unix.Stat_t
	v.must(unix.Lstat(s.real("victim/mid"), &st))
	if st.Uid != 4711 || st.Mode&0o7777 != 0o700 {
		t.Errorf("the victim was changed: owner %d, mode %04o", st.Uid, st.Mode&0o7777)
	}
	s.must(os.Remove(s.real("victim/mid")))
	v.check(t)
}

// Only files have hard links. A link in the way is refused like any file, and its target is not
// touched.
func TestHardLinks(t *testing.T) {
	s := newSite(t)
	s.must(os.WriteFile(s.real("shadow"), []byte("secret"), 0o600))
	s.must(os.Link(s.real("shadow"), s.real("capstor/x")))
	if d, err := s.sys.Make("capstor/x"); d != nil || !errors.Is(err, ErrExists) {
		t.Errorf("make: %v", err)
	}
	for _, inode := range []uint64{0, s.inode("capstor/x")} {
		if d, err := s.sys.Open("capstor/x", inode); d != nil || !errors.Is(err, ErrObstructed) {
			t.Errorf("open: %v", err)
		}
		if err := s.sys.archive(Move{From: "capstor/x", Inode: inode, Folder: "capstor/.trash",
			Name: "x"}, []byte("{}")); !errors.Is(err, ErrObstructed) {
			t.Errorf("archive: %v", err)
		}
	}
	var st unix.Stat_t
	s.must(unix.Lstat(s.real("shadow"), &st))
	if st.Mode != unix.S_IFREG|0o600 || st.Uid != 0 || st.Nlink != 2 {
		t.Errorf("the file was changed: mode %o, owner %d, %d links", st.Mode, st.Uid, st.Nlink)
	}
}

// Only the approved directory may be archived, whatever takes its name while it moves.
func TestAttackArchive(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/mid", 0o755)
	n := rounds(t) / 100 // each round writes and syncs
	archived := 0
	swap := swapper(s.real("capstor/mid"), s.real("victim"))
	attack(t, n, func(i int) {
		swap(i)
		if i%5 == 4 {
			// Now and then an archive must succeed, which syncs.
			time.Sleep(time.Duration(i%4) * 5 * time.Millisecond)
		}
	}, func(i int) {
		var st unix.Stat_t
		for unix.Lstat(s.real("capstor/mid"), &st) != nil || !isDir(st.Mode) {
			runtime.Gosched()
		}
		m := Move{From: "capstor/mid", Inode: st.Ino, Folder: "capstor/.trash", Name: "n" +
			strconv.Itoa(i)}
		if s.sys.archive(m, []byte("{}")) != nil {
			return
		}
		archived++
		var in unix.Stat_t
		if err := unix.Lstat(s.real(m.Archived()), &in); err != nil || in.Ino != st.Ino {
			t.Errorf("archived inode %d, want %d: %v", in.Ino, st.Ino, err)
		}
	}, func() bool { return archived > 0 })
	v.check(t)
	found, err := s.sys.Manifests("capstor/.trash")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Directory.State != planner.DirPresent {
			t.Errorf("%s in the archive: %+v", f.Name, f.Directory)
		}
	}
}

// A restored directory arrives in the right place or not at all, whatever takes the name of that
// place or of the directory.
func TestAttackRestore(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.mkdir("capstor/mid", 0o755)
	s.mkdir("capstor/.trash", 0o700)
	swap := swapper(s.real("capstor/mid"), s.real("victim"))
	restored, refused := 0, 0
	attack(t, rounds(t)/100, func(i int) {
		swap(i)
		// A plain rename would replace this empty directory.
		os.Mkdir(s.real("capstor/mid/back"), 0o777)
		runtime.Gosched()
		os.Remove(s.real("capstor/mid/back"))
	}, func(i int) {
		m := Move{Folder: "capstor/.trash", Name: "n" + strconv.Itoa(i)}
		s.mkdir(m.Archived(), 0o2770)
		m.Inode = s.inode(m.Archived())
		if s.sys.Restore(m, "capstor/mid/back") == nil {
			restored++
			return
		}
		refused++
		if seen := s.sys.Observe(m.Archived()); seen.State == planner.DirPresent &&
			seen.Inode != m.Inode {
			t.Errorf("in the archive is another directory now: %+v, want inode %d", seen, m.Inode)
		}
	}, func() bool { return restored > 0 && refused > 0 })
	v.check(t)
}

// A tree is tagged while directories in it become links, files and fifos. Nothing outside of it is
// ever tagged, and nothing hangs.
func TestAttackTag(t *testing.T) {
	s := newSite(t)
	v := newVictim(s)
	s.must(os.WriteFile(s.real("victim/x/data"), nil, 0o600))
	for _, p := range []string{"capstor/t", "capstor/t/mid", "capstor/t/mid/x"} {
		s.mkdir(p, 0o755)
	}
	s.must(os.WriteFile(s.real("capstor/t/file"), nil, 0o600))
	sim := &projects{of: map[uint64]attributes{}}
	s.root.attributes = sim.ioctl
	tagged := 0
	attack(t, rounds(t)/10, swapper(s.real("capstor/t/mid"), s.real("victim")), func(i int) {
		d, err := s.sys.Open("capstor/t", 0)
		s.must(err)
		if _, err := d.Tag(t.Context(), planner.ProjectID(7+i), func(int) {}); err == nil {
			tagged++
		}
		d.Close()
	}, func() bool { return tagged > 0 })
	for _, p := range []string{"victim", "victim/x", "victim/x/data", "capstor"} {
		if a, ok := sim.of[s.inode(p)]; ok {
			t.Errorf("%s was tagged: %+v", p, a)
		}
	}
	if sim.of[s.inode("capstor/t/file")].projectID == 0 {
		t.Error("nothing was tagged")
	}
	v.check(t)
}
