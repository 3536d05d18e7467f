package lfssim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// controlHelp is the usage of `lfs-sim sim`.
const controlHelp = `usage: lfs-sim sim COMMAND [--state FILE] …
  init --release R --mount PATH[=FSNAME]… [--osts N] [--mdts N] [--pool NAME=0,1,…]… [--user NAME=ID]…
       [--group NAME=ID]… [--projid NAME=ID]… [--as-root] [--force]
                              create a state; --osts, --mdts and --pool apply to all of its file systems
  usage {-u|-g|-p} ID [--space BYTES|12T] [--inodes N] PATH
                              set what an identity uses on the file system of PATH
  fail --on quota|setquota|project --errno EIO [--id N] [--count N]
                              make the next N calls (all, without --count) fail with this error
  hang --on quota|setquota|project [--seconds N] [--id N] [--count N]
                              make calls wait N seconds (an hour, without --seconds)
  lose-ost PATH [--index N]   make an OST (the last, without --index) stop answering
  clear                       end all faults, and make all OSTs answer again
  clock UNIX|real             set the clock
  log [--clear]               print the calls made, one JSON object per line
`

// controlRun is one run of `lfs-sim sim`: options by name, and the other words.
type controlRun struct {
	prog    *program
	values  map[string][]string
	words   []string
	unknown string
}

// control runs `lfs-sim sim …`, which the real lfs does not have. The exit code is 0, 1 for an
// error, or 2 for a usage error.
func (p *program) control(args []string) int {
	if len(args) == 0 {
		p.complain("%s", controlHelp)
		return 2
	}
	c := &controlRun{prog: p, values: map[string][]string{}}
	c.words, _ = getopt(args[1:], controlOptions(), c.option)
	if c.unknown != "" {
		return c.prog.reportMisuse(fmt.Errorf("unknown option %s, or its argument is missing", c.unknown))
	}
	if state := c.one("state"); state != "" {
		p.state = state
	}
	if p.state == "" {
		return c.prog.reportMisuse(errors.New("no state is given: give --state FILE, or set " +
			"LFS_SIM_STATE"))
	}
	err := c.dispatch(args[0])
	var misuse misuseError
	switch {
	case errors.As(err, &misuse):
		return c.prog.reportMisuse(err)
	case err != nil:
		p.complain("lfs-sim: %v\n", err)
		return 1
	}
	return 0
}

// misuseError is an error in the command line.
type misuseError string

func (e misuseError) Error() string { return string(e) }

func (p *program) reportMisuse(err error) int {
	p.complain("lfs-sim: %v\n%s", err, controlHelp)
	return 2
}

func controlOptions() options {
	o := short("u:g:p:")
	for _, name := range strings.Fields("state release mount osts mdts pool user group projid space " +
		"inodes on errno id count seconds index") {
		o.long(name, name, needsArgument)
	}
	return o.long("as-root", "as-root", noArgument).long("force", "force", noArgument).long("clear",
		"clear", noArgument)
}

func (c *controlRun) option(name, value string) int {
	if name == unknownOption {
		c.unknown = value
		return 2
	}
	c.values[name] = append(c.values[name], value)
	return 0
}

func (c *controlRun) dispatch(command string) error {
	switch command {
	case "init":
		return c.init()
	case "usage":
		return c.usageOf()
	case "fail", "hang":
		return c.addFault(command == "hang")
	case "lose-ost":
		return c.loseOST()
	case "clear":
		return Update(c.prog.state, func(s *State) error {
			s.Faults = nil
			for name, fs := range s.Filesystems {
				fs.Lost = nil
				s.Filesystems[name] = fs
			}
			return nil
		})
	case "clock":
		return c.clock()
	case "log":
		return c.showLog()
	}
	return misuseError(fmt.Sprintf("unknown command %q", command))
}

// one returns the last value of an option, or "" without the option.
func (c *controlRun) one(name string) string {
	if v := c.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func (c *controlRun) has(name string) bool { return len(c.values[name]) > 0 }

// number returns an option's number, or 0 without the option.
func (c *controlRun) number(name string) (int, error) {
	if !c.has(name) {
		return 0, nil
	}
	n, err := strconv.Atoi(c.one(name))
	if err != nil || n < 0 {
		return 0, misuseError(fmt.Sprintf("--%s %s: not a number", name, c.one(name)))
	}
	return n, nil
}

// word returns the only word.
func (c *controlRun) word(what string) (string, error) {
	if len(c.words) != 1 {
		return "", misuseError("give one " + what)
	}
	return c.words[0], nil
}

func (c *controlRun) init() error {
	s := State{Release: c.one("release"), AsRoot: c.has("as-root"),
		Filesystems: map[string]Filesystem{}}
	if _, err := os.Lstat(c.prog.state); err == nil && !c.has("force") {
		return fmt.Errorf("init: %s already exists: use --force to replace it", c.prog.state)
	}
	fs, err := c.filesystem()
	if err != nil {
		return err
	}
	for _, m := range c.values["mount"] {
		path, name, found := strings.Cut(m, "=")
		if !found {
			name = "lustre"
		}
		if path, err = filepath.Abs(path); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		s.Mounts = append(s.Mounts, Mount{path, name})
		s.Filesystems[name] = fs
	}
	if len(s.Mounts) == 0 {
		return misuseError("init: give --mount PATH[=FSNAME]")
	}
	for option, table := range map[string]*map[string]uint32{"user": &s.Names.Users,
		"group": &s.Names.Groups, "projid": &s.Names.Projects} {
		if *table, err = c.table(option); err != nil {
			return err
		}
	}
	return Init(c.prog.state, s)
}

func (c *controlRun) filesystem() (fs Filesystem, err error) {
	if fs.OSTs, err = c.number("osts"); err != nil {
		return fs, err
	}
	if fs.MDTs, err = c.number("mdts"); err != nil {
		return fs, err
	}
	for _, v := range c.values["pool"] {
		name, list, _ := strings.Cut(v, "=")
		pool := Pool{Name: name}
		for item := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(item)
			if err != nil {
				return fs, misuseError(fmt.Sprintf("--pool %s: write NAME=0,1", v))
			}
			pool.OSTs = append(pool.OSTs, n)
		}
		fs.Pools = append(fs.Pools, pool)
	}
	return fs, nil
}

func (c *controlRun) table(option string) (map[string]uint32, error) {
	table := map[string]uint32{}
	for _, v := range c.values[option] {
		name, text, _ := strings.Cut(v, "=")
		id, ok := number(text)
		if name == "" || text == "" || !ok {
			return nil, misuseError(fmt.Sprintf("--%s %s: write NAME=ID", option, v))
		}
		table[name] = id
	}
	return table, nil
}

// usageOf sets what an identity uses. Amounts that are not given stay the same.
func (c *controlRun) usageOf() error {
	path, err := c.word("path")
	if err != nil {
		return err
	}
	typ, id, err := c.identity()
	if err != nil {
		return err
	}
	now := c.prog.now()
	return withStore(c.prog.state, func(s *store) error {
		m, err := c.mount(s, path)
		if err != nil {
			return err
		}
		q := query{fs: m.FS, typ: typ, id: id}
		r, err := s.record(q.fs, "", q.typ, q.id)
		if err != nil {
			return err
		}
		if err := c.amounts(&r); err != nil {
			return err
		}
		return s.use(q, r.Space, r.Inodes, now)
	})
}

func (c *controlRun) amounts(r *record) error {
	for option, into := range map[string]*uint64{"space": &r.Space, "inodes": &r.Inodes} {
		if !c.has(option) {
			continue
		}
		n, ok := parseLimit(c.one(option), 1, true)
		if !ok || c.one(option) == "" {
			return misuseError(fmt.Sprintf("--%s %s: not a number", option, c.one(option)))
		}
		*into = n
	}
	return nil
}

// identity parses -u, -g or -p.
func (c *controlRun) identity() (Type, uint32, error) {
	for _, letter := range []string{"u", "g", "p"} {
		if c.has(letter) {
			id, ok := number(c.one(letter))
			if !ok || c.one(letter) == "" {
				return "", 0, misuseError(fmt.Sprintf("-%s %s: give the id as a number", letter,
					c.one(letter)))
			}
			return typeOf(letter), id, nil
		}
	}
	return "", 0, misuseError("give -u, -g or -p with an id")
}

// mount finds the mount of a path.
func (c *controlRun) mount(s *store, path string) (Mount, error) {
	real, err := filepath.EvalSymlinks(c.prog.inside(path))
	if err != nil {
		return Mount{}, err
	}
	c.prog.srv = &server{store: s}
	m, ok := c.prog.mountOf(real)
	if !ok {
		return Mount{}, fmt.Errorf("%s is on no mount of this state", path)
	}
	return m, nil
}

func (c *controlRun) addFault(hang bool) error {
	f := Fault{On: c.one("on"), Hang: hang, Errno: c.one("errno")}
	var err error
	if f.Count, err = c.number("count"); err != nil {
		return err
	}
	if f.Seconds, err = c.number("seconds"); err != nil {
		return err
	}
	if c.has("id") {
		id, ok := number(c.one("id"))
		if !ok {
			return misuseError("--id " + c.one("id") + ": not an id")
		}
		f.ID = &id
	}
	return AddFault(c.prog.state, f)
}

func (c *controlRun) loseOST() error {
	path, err := c.word("path")
	if err != nil {
		return err
	}
	index, err := c.number("index")
	if err != nil {
		return err
	}
	return withStore(c.prog.state, func(s *store) error {
		m, err := c.mount(s, path)
		if err != nil {
			return err
		}
		fs := s.settings.filesystem(m.FS)
		if !c.has("index") {
			index = fs.OSTs - 1
		}
		if index >= fs.OSTs {
			return fmt.Errorf("lose-ost: %s has %d OSTs, the first is 0", m.FS, fs.OSTs)
		}
		fs.Lost = append(fs.Lost, "OST"+hex4(index))
		if s.settings.Filesystems == nil {
			s.settings.Filesystems = map[string]Filesystem{}
		}
		s.settings.Filesystems[m.FS] = fs
		return s.saveSettings()
	})
}

func (c *controlRun) clock() error {
	text, err := c.word("time: Unix seconds, or real")
	if err != nil {
		return err
	}
	if text == "real" {
		return Update(c.prog.state, func(s *State) error { s.Now = 0; return nil })
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return misuseError("clock " + text + ": not Unix seconds")
	}
	return SetClock(c.prog.state, time.Unix(n, 0))
}

func (c *controlRun) showLog() error {
	if c.has("clear") {
		return withStore(c.prog.state, func(*store) error { return os.Truncate(logPath(c.prog.state), 0) })
	}
	data, err := os.ReadFile(logPath(c.prog.state))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the log: %w", err)
	}
	c.prog.print("%s", data)
	return nil
}
