package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// diskSize is the size of each filesystem in bytes. XFS needs at least 300 MB.
	diskSize = 512 << 20
	// verdict begins the last line on the machine's console. The number of programs that failed
	// follows.
	verdict = "kerneltest: programs that failed: "
)

// machine is an emulated machine that runs test programs and switches itself off.
type machine struct {
	dir    string
	kernel kernel
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// build creates the disks and the file system from which the machine starts.
func (m *machine) build(ctx context.Context, programs []string) error {
	for name, mkfs := range map[string][]string{
		"xfs": {"mkfs.xfs", "-q"},
		"ext4": {"mkfs.ext4", "-q", "-O", "project,quota", "-E",
			"quotatype=usrquota:grpquota:prjquota"},
	} {
		file, err := os.Create(m.path(name))
		if err != nil {
			return err
		}
		if err := errors.Join(file.Truncate(diskSize), file.Close()); err != nil {
			return err
		}
		if _, err := output(ctx, "", mkfs[0], append(mkfs[1:], file.Name())...); err != nil {
			return fmt.Errorf("make a file system: %w", err)
		}
	}
	return m.archive(programs)
}

// archive writes the initial file system.
func (m *machine) archive(programs []string) (err error) {
	file, err := os.Create(m.path("initrd"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	a := newArchive(file)
	for _, dir := range []string{"bin", "dev", "proc", "sys", "tmp", "modules", "tests", "mnt",
		"mnt/xfs", "mnt/ext4"} {
		a.dir(dir)
	}
	a.file("bin/busybox", m.kernel.busybox)
	var modules, names []string
	for i, module := range m.kernel.modules {
		name := fmt.Sprintf("modules/%02d-%s", i, filepath.Base(module))
		a.file(name, module)
		modules = append(modules, name)
	}
	for _, p := range programs {
		file, run := split(p)
		name := "tests/" + filepath.Base(file)
		a.file(name, file)
		names = append(names, name+run)
	}
	a.text("init", script(modules, names))
	return a.close()
}

// split splits FILE:PATTERN into the file and the flag that selects tests.
func split(program string) (file, run string) {
	file, pattern, ok := strings.Cut(program, ":")
	if ok {
		run = " -test.run '" + pattern + "'"
	}
	return file, run
}

// script returns the first program that the machine runs.
func script(modules, programs []string) string {
	var b strings.Builder
	b.WriteString("#!/bin/busybox sh\nbusybox=/bin/busybox\n$busybox mount -t proc proc " +
		"/proc\n$busybox mount -t sysfs sys /sys\n$busybox mount -t devtmpfs dev /dev\n$busybox mount " +
		"-t tmpfs tmp /tmp\n$busybox ip link set lo up\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "$busybox insmod /%s || echo cannot load %s\n", m, m)
	}
	b.WriteString("failed=0\n" +
		"$busybox mount -t xfs -o grpquota,prjquota /dev/vda /mnt/xfs || failed=99\n" +
		"$busybox mount -t ext4 -o grpquota,prjquota /dev/vdb /mnt/ext4 || failed=99\n")
	for _, p := range programs {
		fmt.Fprintf(&b, "echo \"== %s\"\nPATH=/bin HOME=/tmp KERNELTEST=1 /%s -test.v || "+
			"failed=$((failed+1))\n", p, p)
	}
	b.WriteString("echo \"" + verdict + "$failed\"\n$busybox poweroff -f\n")
	return b.String()
}

// run starts the machine and copies its console to out until the machine switches itself off.
func (m *machine) run(ctx context.Context, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp",
		"2", "-m", "1536", "-nodefaults", "-display", "none",
		"-serial", "stdio", "-no-reboot", "-kernel", m.kernel.image, "-initrd", m.path("initrd"),
		"-append", "console=ttyS0 quiet panic=-1",
		"-drive", "if=virtio,format=raw,file="+m.path("xfs"), "-drive",
		"if=virtio,format=raw,file="+m.path("ext4"))
	cmd.Stderr = out
	console, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the machine: %w", err)
	}
	said := ""
	for lines := bufio.NewScanner(console); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), "\r")
		fmt.Fprintln(out, line)
		if text, ok := strings.CutPrefix(line, verdict); ok {
			said = text
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the machine: %w", errors.Join(err, context.Cause(ctx)))
	}
	switch said {
	case "0":
		return nil
	case "":
		return errors.New("the machine stopped before the tests ended: read its console above")
	}
	return fmt.Errorf("%s of the programs failed", said)
}
