package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is an unpacked kernel and the files for its machine.
type kernel struct {
	// image and busybox are files. modules are files in the order in which to load them.
	image, busybox string
	modules        []string
}

// wanted are the modules that the machine needs, without their dependencies.
var wanted = []string{"virtio_pci", "virtio_blk", "crc32c_generic", "xfs", "ext4", "quota_v2"}

// fetch downloads and unpacks the kernel and busybox into a folder, once.
func fetch(ctx context.Context, dir string) (kernel, error) {
	root := filepath.Join(dir, "root")
	if _, err := os.Stat(filepath.Join(root, "bin/busybox")); err != nil {
		if err := download(ctx, dir, root); err != nil {
			return kernel{}, fmt.Errorf("fetch a kernel: %w", err)
		}
	}
	images, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return kernel{}, fmt.Errorf("%d kernels below %s, want 1: remove that folder and try again",
			len(images), root)
	}
	modules, err := loadOrder(root, wanted)
	return kernel{image: images[0], busybox: filepath.Join(root, "bin/busybox"),
		modules: modules}, err
}

func download(ctx context.Context, dir, root string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := output(ctx, "", "apt-cache", "depends", "linux-image-cloud-amd64")
	if err != nil { // apt has never read the lists of packages on this machine
		if _, err := output(ctx, "", "apt-get", "update", "-qq"); err != nil {
			return err
		}
		out, err = output(ctx, "", "apt-cache", "depends", "linux-image-cloud-amd64")
	}
	if err != nil {
		return err
	}
	_, image, ok := strings.Cut(out, "Depends: ")
	if !ok {
		return errors.New("linux-image-cloud-amd64 names no kernel: run `apt-get update`")
	}
	image, _, _ = strings.Cut(image, "\n")
	if _, err := output(ctx, dir, "apt-get", "download", "-qq", strings.TrimSpace(image),
		"busybox-static"); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, p := range packages {
		if _, err := output(ctx, "", "dpkg-deb", "-x", p, root); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program and returns what it prints on standard output.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// loadOrder returns the files of modules and of all their dependencies, each after what it needs.
// Modules that are built into the kernel have no file and are omitted.
func loadOrder(root string, names []string) ([]string, error) {
	files := map[string]string{}
	top := filepath.Join(root, "lib/modules")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var order []string
	var add func(name string) error
	add = func(name string) error {
		file, ok := files[name]
		if !ok || slices.Contains(order, file) {
			return nil
		}
		needs, err := depends(file)
		if err != nil {
			return fmt.Errorf("module %s: %w", file, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		order = append(order, file)
		return nil
	}
	for _, n := range names {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// depends returns the field "depends" in a module's section .modinfo: names separated by commas.
func depends(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no section .modinfo")
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(data, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(strings.ReplaceAll(string(list), "-", "_"), ","), nil
		}
	}
	return nil, nil
}
