package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	out      io.Writer
	dir, bin string
	url      string
}

func run(args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	dir := f.String("dir", "demo", "the `FOLDER` to create")
	bin := f.String("bin", "bin", "the `FOLDER` with cscs-sync, waldur-sim and lfs-sim")
	if err := f.Parse(args); err != nil {
		return err
	}
	if gid := os.Getegid(); os.Geteuid() != 0 && !canOwn(gid) {
		return fmt.Errorf("without root, the directories get your own group, but cscs-sync gives no "+
			"directory to group %d: run the demo as another user, or as root", gid)
	}
	d := &demo{out: out}
	if d.dir, err = filepath.Abs(*dir); err != nil {
		return err
	}
	if d.bin, err = filepath.Abs(*bin); err != nil {
		return err
	}
	stop, err := d.site()
	if err != nil {
		return err
	}
	defer stop()
	return d.story()
}

// canOwn reports whether cscs-sync gives directories to a group.
func canOwn(gid int) bool { return gid > 0 && gid != 65534 && gid != 65535 }

// say prints the story between the commands.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "\n── "+format+"\n", args...)
}

// show runs cscs-sync in the demo's folder, as a person would, and prints the command and its
// output.
func (d *demo) show(args ...string) error {
	fmt.Fprintf(d.out, "\n$ cscs-sync %s\n", strings.Join(quoted(args), " "))
	return d.cscs(d.out, args...)
}

// quoted quotes arguments that a shell would change.
func quoted(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if strings.ContainsAny(a, " *?\"'") {
			out[i] = "'" + a + "'"
		}
	}
	return out
}

// cscs runs cscs-sync. An exit code other than 0 is an error.
func (d *demo) cscs(out io.Writer, args ...string) error {
	cmd := exec.Command(filepath.Join(d.bin, "cscs-sync"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cscs-sync %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
