package lfssim

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Exit codes of lfs that are not errnos, and of the simulation itself.
const (
	exitOK     = 0
	exitUsage  = 4   // lfs: a usage error
	exitBroken = 125 // lfs-sim: the simulation itself failed; no errno is as large
)

// refused is the -1 with which lfs reports an error without an errno. It equals EPERM.
const refused = syscall.EPERM

// program is one run of lfs, with everything that it uses of the machine.
type program struct {
	args    []string // without the program's name
	state   string   // the settings file
	environ func() []string
	now     func() time.Time
	sleep   func(time.Duration)
	caller  caller
	root    string // the folder that stands for /; "" means the machine's root
	cwd     string
	device  string // the device numbers shown for what is not on Lustre; "" means the real ones
	stdout  io.Writer
	stderr  io.Writer

	srv *server
	rel release
}

// Main runs lfs-sim. args[0] is the name with which it was called. It finds its state from this
// name or from LFS_SIM_STATE (see the package's documentation). Main returns the exit code.
func Main(args []string, env func(string) string, stdout, stderr io.Writer) int {
	out := bufio.NewWriter(stdout)
	p := &program{
		environ: os.Environ, now: time.Now, sleep: time.Sleep, stdout: out, stderr: stderr,
		caller: caller{uid: os.Geteuid()}, state: statePath(args, env),
	}
	if len(args) > 0 {
		p.args = args[1:]
	}
	code := p.start()
	if err := out.Flush(); err != nil {
		return p.reportBroken(fmt.Errorf("write the output: %w", err))
	}
	return code
}

// start fills in the groups and the working directory, then runs.
func (p *program) start() int {
	groups, err := os.Getgroups()
	if err != nil {
		return p.reportBroken(fmt.Errorf("read the caller's groups: %w", err))
	}
	p.caller.gids = append(groups, os.Getegid())
	if p.cwd, err = os.Getwd(); err != nil {
		p.cwd = "/" // it was removed, which affects only relative paths
	}
	if len(p.args) > 0 && p.args[0] == "sim" {
		return p.control(p.args[1:])
	}
	return p.run()
}

// statePath returns the path of the settings file: LFS_SIM_STATE, or the path with which the
// program was called, plus ".json".
func statePath(args []string, env func(string) string) string {
	if path := env("LFS_SIM_STATE"); path != "" {
		return path
	}
	if len(args) > 0 && strings.Contains(args[0], "/") {
		return args[0] + ".json"
	}
	return ""
}

// run simulates lfs.
func (p *program) run() int {
	if p.state == "" {
		return p.reportBroken(fmt.Errorf("no state is given: set LFS_SIM_STATE, or call lfs by a PATH " +
			"next to which there is a PATH.json"))
	}
	st, err := openStore(p.state)
	if err != nil {
		return p.reportBroken(err)
	}
	defer func() { p.srv.store.close() }()
	now := p.now()
	if st.settings.Now != 0 {
		now = time.Unix(st.settings.Now, 0)
	}
	p.srv = &server{store: st, caller: p.caller, now: uint64(now.Unix()), sleep: p.sleep}
	if p.rel, err = releaseOf(st.settings.Release); err != nil {
		return p.reportBroken(err)
	}
	if err := st.log(Call{Time: now, UID: p.caller.uid, Args: p.args}); err != nil {
		return p.reportBroken(err)
	}
	return p.command()
}

func (p *program) command() int {
	name := ""
	if len(p.args) > 0 {
		name = p.args[0]
	}
	switch name {
	case "--version":
		p.print("lfs %s\n", p.rel.version)
		return exitOK
	case "quota":
		return p.quota(p.args[1:])
	case "setquota":
		return p.setquota(p.args[1:])
	case "project":
		return p.project(p.args[1:])
	}
	p.complain("lfs: '%s' is not a valid command. See 'lfs --list-commands'.\n", name)
	return 1
}

func (p *program) print(format string, args ...any) {
	fmt.Fprintf(p.stdout, format, args...)
}

func (p *program) complain(format string, args ...any) {
	fmt.Fprintf(p.stderr, format, args...)
}

// reportBroken reports a failure of the simulation, which is not a failure of lfs.
func (p *program) reportBroken(err error) int {
	p.complain("lfs-sim: %v\n", err)
	return exitBroken
}

// usage prints a command's help where this release prints it.
func (p *program) usage(command string) int {
	if p.rel.modern {
		p.print("%s", p.rel.help(command))
	} else {
		p.complain("%s", p.rel.help(command))
	}
	return exitUsage
}

// exit returns the exit status for an errno: its low byte, so 524 becomes 12.
func exit(e syscall.Errno) int { return int(e) & 0xff }

// inside returns a path as the machine sees it.
func (p *program) inside(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.cwd, path)
	}
	return filepath.Join(p.root, path)
}
